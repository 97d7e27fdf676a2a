package notify

import (
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/alert"
)

// gravity is what colours and priorities stand for.
type gravity int

const (
	neutral gravity = iota
	good
	worrying
	bad
)

// gravityOf is that of the worst alert of a message.
func gravityOf(m alert.Message) gravity {
	switch m.Event {
	case alert.Test:
		return neutral
	case alert.Undelivered:
		return worrying
	}
	worst := neutral
	for _, a := range m.Alerts {
		switch {
		case m.Event == alert.Resolved && a.Ending != alert.Recovered && a.Ending != "":
		case m.Event == alert.Resolved:
			worst = max(worst, good)
		case a.Level == syncer.Critical:
			worst = bad
		default:
			worst = max(worst, worrying)
		}
	}
	return worst
}
