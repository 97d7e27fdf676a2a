package alert

import "time"

// silencesEvery is how often silences are read while there is nothing to tell,
// for those who look at what is silenced.
const silencesEvery = 10 * time.Second

// Silenced says which tables nobody is told of at a moment, by a silence or a
// maintenance window. Of silences it knows what was last read.
func (d *Desk) Silenced(now time.Time) func(table string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return mutesAt(d.silences, d.Maintenance, now).cover
}

// silencesDue says whether it is time to read silences: always while there are
// episodes.
func (d *Desk) silencesDue(now time.Time) bool {
	if d.silenced && len(d.order) == 0 && now.Sub(d.silencesRead) < silencesEvery {
		return false
	}
	d.silencesRead = now
	return true
}
