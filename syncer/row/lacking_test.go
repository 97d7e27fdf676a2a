package row_test

import (
	"errors"
	"testing"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// nobody is a condition that turns every record down.
type nobody struct{}

func (nobody) Holds([][]byte) (bool, error) { return false, nil }

// TestLackingRecords: a record of which only the key is known changes no row,
// whatever the table takes, and says why it was set aside; a later good record
// of its key makes that void.
func TestLackingRecords(t *testing.T) {
	lacking := record("7")
	lacking.Lacking = "is not answered"
	s := users()
	f := s.Fold(batch(record("7", "1", "30"), lacking), false)
	if got := told(f); got != `[7]=30@1 !{":lacking":true,"id":7}` {
		t.Errorf("folds to %s", got)
	}
	if m := f.Misfits[0]; m.Key != "[7]" || m.Column != "" || m.Reason != "is not answered" {
		t.Errorf("misfit %+v", m)
	}
	if _, _, err := s.Retry(f.Misfits[0].Record); !errors.Is(err, row.ErrLacking) {
		t.Errorf("tried again: %v, want that a row cannot be made of it", err)
	}
	if got := told(s.Fold(batch(lacking, record("7", "1", "30")), false)); got != "[7]=30@1" {
		t.Errorf("with a good record behind it: %s", got)
	}
	s.Where = nobody{}
	if got := told(s.Fold(batch(lacking), false)); got != `!{":lacking":true,"id":7}` {
		t.Errorf("where nothing is taken: %s", got)
	}
	unreadable := syncer.Record{Slots: [][]byte{[]byte(`"x"`), nil, nil, nil}, Lacking: "is not answered"}
	if got := told(s.Fold(batch(unreadable), true)); got != "!sha256:" {
		t.Errorf("with a key that does not fit: %s", got)
	}
}
