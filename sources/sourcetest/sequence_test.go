package sourcetest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// follower copies a source as a table would.
type follower struct {
	source *sources.Source
	held   map[string]string
	at     syncer.Position
}

// poll follows the source to its end, from the beginning where the owner says
// that it cannot tell what has changed.
func (f *follower) poll(t *rapid.T) {
	kind := syncer.Changes
	if f.at.Watermark == "" {
		kind = syncer.Resync
	}
	seen := map[string]bool{}
	for b, err := range f.source.Walk(t.Context(), syncer.Walk{ID: "w", Kind: kind, Sent: time.Now(), From: f.at}) {
		if errors.Is(err, syncer.ErrExpired) && kind == syncer.Changes {
			f.at = syncer.Position{}
			f.poll(t)
			return
		}
		if err != nil {
			t.Fatalf("%s from %q: %v", kind, f.at.Watermark, err)
		}
		for _, r := range b.Records {
			key := string(r.Slots[0])
			if delete(f.held, key); !r.Gone {
				f.held[key], seen[key] = string(r.Slots[1]), true
			}
		}
		if b.End != nil {
			f.at.Watermark = b.End.Watermark
			for key := range f.held {
				if b.End.Listed && !seen[key] {
					delete(f.held, key)
				}
			}
		}
	}
}

// TestLarderFollowsSequences: delta and log feeds are copied whatever is written
// between their polls and pages, repeated, compacted, or forgotten.
func TestLarderFollowsSequences(t *testing.T) {
	all := specs(t)
	rapid.Check(t, func(t *rapid.T) {
		c := all[rapid.SampledFrom([]string{"delta", "delta by links", "log"}).Draw(t, "feed")]
		small := func(name string) int { return rapid.IntRange(0, 3).Draw(t, name) }
		o := &owner{
			Style: c.style, PageSize: 1 + small("page"),
			Paging:   paging{EmptyEvery: small("empty"), Again: small("again"), End: rapid.SampledFrom(c.ends).Draw(t, "end")},
			Sequence: sourcetest.Sequence{Replay: small("replay")},
			Memory:   sourcetest.Memory{Compact: rapid.Bool().Draw(t, "compact")},
		}
		spec := c.spec
		if o.Paging.End == sourcetest.EndMore {
			spec.Paging.More.At = "meta.more"
		}
		f := &follower{source: sourceOf(t, o, spec), held: map[string]string{}}
		writes := 0
		write := func(t *rapid.T) {
			writes++
			if id := rapid.Int64Range(1, 6).Draw(t, "id"); rapid.Bool().Draw(t, "gone") {
				o.Delete(id)
			} else {
				o.Put(fmt.Sprint("write ", writes), id)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": write,
			"poll":  f.poll,
			"poll amid writes": func(t *rapid.T) {
				left := 3
				o.Between = func(int) {
					if left--; left >= 0 {
						write(t)
					}
				}
				f.poll(t)
				o.Between = nil
			},
			"poll of a replica": func(t *rapid.T) {
				o.Clock.Nodes = []sourcetest.Node{{}, {Lag: time.Hour}}
				f.poll(t)
				o.Clock.Nodes = nil
			},
			"expire": func(*rapid.T) { o.Expire() },
		})
		f.poll(t)
		if diff := gocmp.Diff(truth(o), f.held); diff != "" {
			t.Fatal(diff)
		}
	})
}
