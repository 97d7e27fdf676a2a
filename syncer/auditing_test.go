package syncer_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/syncertest"
)

// register is an owner whose list is what items say, key to version, and that
// never tells of a change.
type register struct {
	script
	mu    sync.Mutex
	items map[int]int
}

func newRegister(n int) *register {
	r := &register{items: make(map[int]int)}
	for key := range n {
		r.items[key] = 1
	}
	r.walk = func(_ context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		b := &syncer.Batch{End: &syncer.End{Watermark: "w", Listed: w.Kind.Listing()}}
		if w.Kind.Listing() {
			for key, version := range r.items {
				b.Records = append(b.Records, item(key, version))
			}
		}
		yield(b, nil)
	}
	return r
}

func (r *register) change(do func(map[int]int)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r.items)
}

// audits returns the walks that compared.
func (r *register) audits() []syncer.Walk {
	return slices.DeleteFunc(r.walks(), func(w syncer.Walk) bool { return w.Kind != syncer.Audit })
}

// newAudited is a kitchen whose feed is audited every hour, and polled every
// minute.
func newAudited(m *syncertest.Memory, r *register) *kitchen {
	k := newKitchen("us", m, r, every(time.Minute))
	k.feed.Apart, k.feed.Persist = true, 5*time.Minute
	k.feed.Audit = &syncer.AuditPlan{Schedule: every(time.Hour), Compare: syncer.CompareAll, Samples: 1, Repair: true}
	return k
}

// What changed since the last poll is no difference, however far apart polls
// are.
func TestAnAuditAsksForChangesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := &syncertest.Memory{}, newRegister(5)
		told := r.walk
		r.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind != syncer.Changes {
				told(ctx, w, yield)
				return
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			b := &syncer.Batch{End: &syncer.End{Watermark: "w"}}
			for key, version := range r.items {
				b.Records = append(b.Records, item(key, version))
			}
			yield(b, nil)
		}
		k := newAudited(m, r)
		k.feed.Schedule = every(24 * time.Hour)
		k.start(t)
		time.Sleep(30 * time.Minute)
		r.change(func(items map[int]int) { items[7] = 1; items[1] = 9 })
		time.Sleep(time.Hour)
		if len(r.audits()) != 1 {
			t.Fatalf("%d walks of the audit, want 1: nothing is suspect", len(r.audits()))
		}
		for _, s := range statuses(t, m) {
			if s.Found != 0 || s.ProvenAsOf.IsZero() {
				t.Errorf("%d differences count, proven as of %s", s.Found, s.ProvenAsOf)
			}
		}
	})
}

// A difference is repaired once it was found again, Persist after; one that
// goes by itself meanwhile counts for nothing.
func TestAuditCountsWhatPersists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := &syncertest.Memory{}, newRegister(5)
		k := newAudited(m, r)
		k.start(t)
		time.Sleep(30 * time.Minute)
		r.change(func(items map[int]int) { items[7] = 1; items[1] = 9; delete(items, 2); items[3] = 5 })
		time.Sleep(31 * time.Minute)
		if n := len(r.audits()); n != 1 {
			t.Fatalf("%d audits an hour after the first copy", n)
		}
		r.change(func(items map[int]int) { items[3] = 1 })
		if got := len(m.Rows("a", []string{"id"})); got != 5 {
			t.Errorf("%d rows: something is repaired that was found once", got)
		}
		time.Sleep(10 * time.Minute)
		walks := r.audits()
		if len(walks) != 2 || walks[1].Sent.Sub(walks[0].Sent) != 5*time.Minute {
			t.Fatalf("%d walks compare: %+v", len(walks), walks)
		}
		var got []string
		for _, row := range m.Rows("a", []string{"id", "version"}) {
			got = append(got, row[0]+":"+row[1])
		}
		slices.Sort(got)
		if s := strings.Join(got, " "); s != "0:1 1:9 3:1 4:1 7:1" {
			t.Errorf("holds %s", s)
		}
		var last syncer.Audited
		for _, rep := range k.History.(*history).all() {
			if rep.Kind == syncer.Audit {
				last = *rep.Tables[0].Settled.Audit
			}
		}
		if last.Missing != 1 || last.Extra != 1 || last.Different != 1 || last.Repaired != 3 || last.Suspects != 0 {
			t.Errorf("the last walk found %+v", last)
		}
		if st := stands(t, k.feed.Copies[0], syncer.Partition{}); st.ProvenAsOf.IsZero() {
			t.Error("nothing is proven though nothing is left")
		}
		k.close()
	})
}

// A difference that is another one at each look is looked at three times, and
// then left to the next audit.
func TestAuditEndsUndecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		k := newAudited(&syncertest.Memory{}, r)
		k.start(t)
		for i := range 119 {
			time.Sleep(time.Minute)
			r.change(func(items map[int]int) { items[1] = i + 2 })
		}
		walks := r.audits()
		if len(walks) != 3 {
			t.Errorf("%d walks compare", len(walks))
		}
		k.close()
	})
}

// An audit that came due while nobody ran is made up for at once; one that is
// not due is waited for.
func TestAuditThatIsDueAfterARestart(t *testing.T) {
	for _, test := range []struct {
		away  time.Duration
		first time.Duration // after the restart, to the minute
	}{{3 * time.Hour, 0}, {20 * time.Minute, 10 * time.Minute}} {
		t.Run(test.away.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, r := &syncertest.Memory{}, newRegister(5)
				first := newAudited(m, r)
				first.start(t)
				time.Sleep(30 * time.Minute)
				first.close()
				if n := len(r.audits()); n != 0 {
					t.Fatalf("%d audits before one was due", n)
				}
				time.Sleep(test.away)
				k := newAudited(m, r)
				began := time.Now()
				k.start(t)
				time.Sleep(30 * time.Minute)
				walks := r.audits()
				if len(walks) != 1 || walks[0].Sent.Sub(began).Round(time.Minute) != test.first {
					t.Errorf("%d audits, %+v", len(walks), walks)
				}
				k.close()
			})
		})
	}
}

// Each audit compares another sample, whose confirming walks compare the same.
func TestSamplesRotate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(50)
		k := newAudited(&syncertest.Memory{}, r)
		k.feed.Audit.Compare, k.feed.Audit.Samples, k.feed.Audit.Jitter = syncer.CompareSample, 4, 90*time.Second
		k.start(t)
		time.Sleep(30 * time.Minute)
		r.change(func(items map[int]int) {
			for key := range items {
				items[key] = 2
			}
		})
		time.Sleep(4 * time.Hour)
		var got []string
		for _, w := range r.audits() {
			if w.Audit.Samples != 4 {
				t.Errorf("compares %+v", w.Audit)
			}
			got = append(got, fmt.Sprint(w.Audit.Sample))
		}
		if s := strings.Join(got, ""); len(s) != 8 || !strings.Contains("0011223300112233", s) {
			t.Errorf("samples %s, want each twice, one after the other", s)
		}
		for i, w := range r.audits() {
			if i >= 2 && w.Sent.Sub(r.audits()[i-2].Sent) != time.Hour {
				t.Errorf("walk %d is sent %s after that of the last audit", i, w.Sent.Sub(r.audits()[i-2].Sent))
			}
		}
		if rows := k.daemon.Rows("a", []string{"version"}); slices.ContainsFunc(rows, func(r []string) bool { return r[0] != "2" }) {
			t.Error("after as many audits as samples something is not repaired")
		}
		k.close()
	})
}

// An audit that fails is tried again, is no failure of the copy's polls, and
// goes on with the changes.
func TestAuditThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		inner := r.walk
		r.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
			if w.Kind == syncer.Audit {
				yield(nil, errOwner)
				return
			}
			inner(ctx, w, yield)
		}
		k := newAudited(&syncertest.Memory{}, r)
		k.start(t)
		time.Sleep(time.Hour + 4*time.Minute)
		if n := len(r.audits()); n != 4 {
			t.Errorf("%d tries in four minutes", n)
		}
		if f := k.feed.Copies[0].Freshness(time.Now()); f.Level != syncer.Fresh || f.Reason != "" {
			t.Errorf("the copy is %+v", f)
		}
		if len(k.journal.of("poll fails")) > 0 || len(k.journal.of("audit fails")) != 4 {
			t.Error("the failures are told otherwise")
		}
		k.close()
	})
}

// However often audits fail, the next one is as soon as the plan says: the waits
// between tries do not put it off. An owner that says when it answers is asked
// then.
func TestAuditsThatFailKeepTheirPlan(t *testing.T) {
	for name, test := range map[string]struct {
		err         func() error
		least, most int // tries in three hours
	}{
		"fails":            {func() error { return errOwner }, 36, 42},
		"says when to ask": {func() error { return &later{time.Now().Add(20 * time.Minute)} }, 9, 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRegister(5)
				well := r.walk
				r.walk = func(ctx context.Context, w syncer.Walk, yield func(*syncer.Batch, error) bool) {
					if w.Kind == syncer.Audit {
						yield(nil, test.err())
						return
					}
					well(ctx, w, yield)
				}
				k := newAudited(&syncertest.Memory{}, r)
				k.feed.Audit.Schedule = every(5 * time.Minute)
				k.start(t)
				time.Sleep(3*time.Hour + time.Minute)
				if n := len(r.audits()); n < test.least || n > test.most {
					t.Errorf("%d tries in three hours, want %d to %d", n, test.least, test.most)
				}
				k.close()
			})
		})
	}
}

// A resync that becomes due while an audit waits for its next walk goes first.
func TestAResyncGoesBeforeAnAudit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		k := newAudited(&syncertest.Memory{}, r)
		k.start(t)
		time.Sleep(59 * time.Minute)
		r.change(func(items map[int]int) { items[1] = 9 })
		time.Sleep(2 * time.Minute)
		if _, err := k.daemon.Send(t.Context(), syncer.Order{Kind: syncer.OrderResync, Table: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		var kinds []string
		for _, w := range r.walks()[1:] {
			if w.Kind != syncer.Changes {
				kinds = append(kinds, string(w.Kind))
			}
		}
		if got := strings.Join(kinds, " "); got != "audit resync audit" {
			t.Errorf("lists: %s", got)
		}
		k.close()
	})
}

// An operator's audit is answered with what it found, in all its walks.
func TestOrderedAudits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(10)
		k := newAudited(&syncertest.Memory{}, r)
		k.feed.Audit = nil
		k.start(t)
		time.Sleep(time.Minute)
		r.change(func(items map[int]int) { items[11] = 1; items[1] = 9; delete(items, 2); delete(items, 3) })
		for _, test := range []struct {
			kind  syncer.OrderKind
			table string
			want  string
		}{
			{syncer.OrderAudit, "a", "audit: 9 compared: 1 missing, 2 extra, 1 different; 0 repaired"},
			{syncer.OrderRepair, "a", "audit: 9 compared: 1 missing, 2 extra, 1 different; 4 repaired"},
			{syncer.OrderAudit, "a", "audit: 9 compared: 0 missing, 0 extra, 0 different; 0 repaired"},
			{syncer.OrderAudit, "b", `table "b" is not in the daemon's configuration`},
		} {
			id, err := k.daemon.Send(t.Context(), syncer.Order{Kind: test.kind, Table: test.table})
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute)
			if _, got, err := k.daemon.Outcome(t.Context(), id); err != nil || got != test.want {
				t.Errorf("%s %s: %q, %v, want %q", test.kind, test.table, got, err, test.want)
			}
		}
		k.close()
	})
}

func TestAuditNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRegister(5)
		p := newPantry(t, r, 2)
		p.Apart, p.Persist = true, time.Minute
		reports, err := p.AuditNow(t.Context(), p.Copies[1], true)
		if err != nil || len(reports) != 2 || reports[0].Kind != syncer.Resync || reports[1].Kind != syncer.Audit {
			t.Fatalf("%v: %+v, want a first copy, and then an audit", err, reports)
		}
		r.change(func(items map[int]int) { items[9] = 1 })
		began := time.Now()
		reports, err = p.AuditNow(t.Context(), p.Copies[1], true)
		line, oerr := syncer.Outcome(reports)
		if err != nil || oerr != nil || line != "audit: 6 compared: 1 missing, 0 extra, 0 different; 1 repaired" {
			t.Errorf("%q, %v, %v", line, err, oerr)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("takes %s", took)
		}
		p.want(1, "0:1 1:1 2:1 3:1 4:1 9:1")
		p.want(0, "0:1 1:1 2:1 3:1 4:1") // it took part in the first copy alone
		if _, err := p.Copies[0].Keeper.Obey(t.Context(), syncer.Order{Kind: syncer.OrderPause}); err != nil {
			t.Fatal(err)
		}
		if _, err := p.AuditNow(t.Context(), p.Copies[0], false); err == nil || !strings.Contains(err.Error(), "paused") {
			t.Errorf("of a paused table: %v", err)
		}
		p.Snapshot = true
		if _, err := p.AuditNow(t.Context(), p.Copies[1], false); err == nil || !strings.Contains(err.Error(), "each poll compares everything") {
			t.Errorf("of a snapshot: %v", err)
		}
	})
}

func statuses(t *testing.T, m *syncertest.Memory) []syncer.Status {
	t.Helper()
	all, err := m.NewDaemon("a reader").Status(t.Context())
	if err != nil || len(all) == 0 {
		t.Fatalf("status: %v, %v", all, err)
	}
	return all
}
