package alerttest_test

import (
	"testing"

	"github.com/larder-sync/larder/syncer/alert"
	"github.com/larder-sync/larder/syncer/alert/alerttest"
)

func TestStoreConforms(t *testing.T) {
	alerttest.ConformStore(t, func(*testing.T) *alerttest.Subject {
		s := &alerttest.Store{}
		return &alerttest.Subject{Store: s, Silence: s.Silence,
			Reopen: func(*testing.T) alert.Store { return s },
			Wipe:   func(*testing.T) { s.Wipe() }}
	})
}
