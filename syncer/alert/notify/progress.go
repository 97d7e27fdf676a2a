package notify

import (
	"fmt"

	"github.com/larder-sync/larder/syncer/alert"
)

// mostUnfinished bounds what is kept of messages that were sent in part. What is
// forgotten is sent again with the same identifiers.
const mostUnfinished = 1000

// progress remembers how far messages came that become several requests, so that
// the next attempt goes on where the last one ended and none is too long to ever
// end. It is kept in memory only: after a restart all parts are sent again, and
// receivers know them by their identifiers.
type progress struct {
	taken map[string]int // parts, by the message's ID
}

// each sends a message in parts of so many alerts. A part that is never taken
// does not keep the following ones back. The identifier of the first part is the
// message's, so that a message of one part is known by it.
func (p *progress) each(m alert.Message, most int, send func(id string, part alert.Message) (string, error)) (string, error) {
	parts := max((len(m.Alerts)+most-1)/most, 1)
	answer, refused := "", []error(nil)
	for i := p.taken[m.ID]; i < parts; i++ {
		part, id := m, m.ID
		if parts > 1 {
			part.Alerts = m.Alerts[i*most : min((i+1)*most, len(m.Alerts))]
		}
		if i > 0 {
			id = fmt.Sprintf("%s.%d", m.ID, i+1)
		}
		said, err := send(id, part)
		switch {
		case err == nil:
			answer = said
		case refuses(err) && parts > 1:
			refused = append(refused, err)
		default:
			return "", unsure(err, i > 0)
		}
		p.note(m.ID, i+1, parts)
	}
	delete(p.taken, m.ID)
	switch {
	case len(refused) > 0:
		return "", unsure(joined(fmt.Sprintf("%d of %d parts were refused: %v", len(refused), parts, refused[0]), refused), true)
	case parts > 1:
		answer = fmt.Sprintf("took %d parts; the last: %s", parts, answer)
	}
	return answer, nil
}

func (p *progress) note(id string, taken, of int) {
	if of == 1 {
		return
	}
	if p.taken == nil || len(p.taken) >= mostUnfinished {
		p.taken = map[string]int{}
	}
	p.taken[id] = taken
}
