package syncer

import "time"

// Observer is told of a Runner's polls as they happen, by several goroutines at
// once. It must return quickly.
type Observer interface {
	// Begins says that a poll of a source, or a list that its tables need, begins
	// or waits for its turn; Ends that it ended.
	Begins(source string)
	Ends(source string)
	// Late says, of a poll that was due and has ended, how long after that it
	// had begun: it may have waited for its turn.
	Late(source string, by time.Duration)
	// Skipped says that polls did not take place when they were due.
	Skipped(source string, why Skip, polls int)
	// Reported hands over the report of a walk that ended. It is not to be
	// changed.
	Reported(r Report)
	// Unrecorded says that reports are not in history, and never will be: it
	// failed, or did not keep up.
	Unrecorded(reports int)
}

// Skip is why a poll that was due did not take place. The set is closed: it
// labels metrics.
type Skip string

// The reasons: the poll before it was still running; the process did not run or
// stood still, or the tables could not be used; all tables are paused.
const (
	SkipOverlap Skip = "overlap"
	SkipMissed  Skip = "missed"
	SkipPaused  Skip = "paused"
)

// nobody is the Observer of a Runner without one.
type nobody struct{}

func (nobody) Begins(string)              {}
func (nobody) Ends(string)                {}
func (nobody) Late(string, time.Duration) {}
func (nobody) Skipped(string, Skip, int)  {}
func (nobody) Reported(Report)            {}
func (nobody) Unrecorded(int)             {}

func (r *Runner) observer() Observer {
	if r.Observer == nil {
		return nobody{}
	}
	return r.Observer
}
