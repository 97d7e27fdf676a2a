package sources_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
)

// TestEveryStyleCopiesTheOwner walks from zero and then from the watermark,
// after inserts, updates and deletes.
func TestEveryStyleCopiesTheOwner(t *testing.T) {
	everyStyle(t, func(t *testing.T, by sources.Style, o *sourcetest.Owner) {
		synctest.Test(t, func(t *testing.T) {
			o.Put("first", sequence(1, 10)...)
			time.Sleep(time.Minute)
			s := source(t, quick(o), users(t, by))
			batches, end := complete(t, s, resync())
			held := copied(t, batches, nil)
			if diff := cmp.Diff(truth(o), held); diff != "" {
				t.Fatal(diff)
			}
			if !end.Listed || end.Unchanged || end.Watermark != o.Truth()[0].UpdatedAt {
				t.Errorf("end %+v", end)
			}

			time.Sleep(time.Hour)
			o.Put("second", 3, 11)
			o.Delete(5)
			time.Sleep(time.Second)
			batches, end = complete(t, s, changes(end.Watermark))
			if diff := cmp.Diff(truth(o), copied(t, batches, held)); diff != "" {
				t.Fatal(diff)
			}
			if end.Listed {
				t.Error("a walk of changes lists everything")
			}
		})
	})
}

func TestStreamCopiesTheOwner(t *testing.T) {
	o := &sourcetest.Owner{Style: sourcetest.Lines}
	o.Put(long, sequence(1, 2500)...)
	batches, end := complete(t, source(t, quick(o), lines(t)), resync())
	if diff := cmp.Diff(truth(o), copied(t, batches, nil)); diff != "" {
		t.Fatal(diff)
	}
	if len(batches) != 4 || !end.Listed {
		t.Errorf("%d batches, end %+v", len(batches), end)
	}
}
