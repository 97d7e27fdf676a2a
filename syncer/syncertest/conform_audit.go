package syncertest

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

// The comparisons that most scenarios make. A difference that is a minute old
// counts.
var (
	looks   = syncer.Comparison{Compare: syncer.CompareAll, Persist: time.Minute}
	repairs = syncer.Comparison{Compare: syncer.CompareAll, Persist: time.Minute, Repair: true}
	byKeys  = syncer.Comparison{Compare: syncer.CompareKeys, Persist: time.Minute}
)

// drifted is a copy of which row 2 is different, 3 is extra and 4 is missing by
// the list that drift is.
func (b *bench) drifted() {
	b.t.Helper()
	b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:09"), person("3", "Cy", "00:09"))
}

func drift() []syncer.Record {
	return []syncer.Record{person("1", "Ada", "00:01"), person("2", "other", "00:05"), person("4", "Di", "00:01")}
}

var auditScenarios = map[string]func(*testing.T, *bench){
	"an equal copy is proven": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", ""))
		if st, s := b.standing(), b.status(); !st.ProvenAsOf.IsZero() || !s.ProvenAsOf.IsZero() {
			t.Errorf("a copy that was never audited is proven as of %s", st.ProvenAsOf)
		}
		b.Age(time.Hour)
		w := b.auditing(looks, syncer.Partition{})
		w.Sent = w.Sent.Add(-10 * time.Minute)
		b.apply(w, person("1", "Ada", "00:01"), person("2", "Bo", ""))
		s, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true, Age: time.Minute}, Lag: time.Minute})
		if err != nil || s.Audit == nil {
			t.Fatalf("settle: %+v, %v", s, err)
		}
		b.found(*s.Audit, syncer.Audited{Compared: 2})
		st, asOf := b.standing(), time.Now().Add(-12*time.Minute)
		near(t, "Audited.Proven", s.Audit.Proven, asOf)
		near(t, "ProvenAsOf", st.ProvenAsOf, asOf)
		near(t, "DeletesAsOf", st.DeletesAsOf, asOf)
		near(t, "AsOf", st.AsOf, time.Now().Add(-time.Hour))
		near(t, "Audited", st.Audited, w.Sent)
		near(t, "the view's ProvenAsOf", b.status().ProvenAsOf, asOf)
		b.Age(time.Hour)
		near(t, "ProvenAsOf an hour later", b.standing().ProvenAsOf, asOf.Add(-time.Hour))
	},
	"what differs is suspect first, and counts if it is found again after a while": func(t *testing.T, b *bench) {
		b.drifted()
		for range 2 { // at once is too soon
			b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Suspects: 3})
			if s := b.status(); s.Found != 0 || s.Left != 0 {
				t.Errorf("the view counts suspects: %d found, %d left", s.Found, s.Left)
			}
		}
		b.Age(2 * time.Minute)
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1})
		b.want("1 Ada 00:01", "2 Bo 00:09", "3 Cy 00:09")
		if s := b.status(); s.Found != 3 || s.Left != 3 || !s.ProvenAsOf.IsZero() {
			t.Errorf("the view tells %d found, %d left, proven as of %s", s.Found, s.Left, s.ProvenAsOf)
		}
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1})
		b.found(b.audit(looks, person("1", "Ada", "00:01"), person("2", "Bo", "00:09"), person("3", "Cy", "00:09")), syncer.Audited{Compared: 3})
		if s := b.status(); s.Found != 0 || s.Left != 0 || s.ProvenAsOf.IsZero() {
			t.Errorf("the view tells %d found, %d left, proven as of %s", s.Found, s.Left, s.ProvenAsOf)
		}
	},
	"a suspect whose record does not fit any more is not looked at, and proves nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		b.found(b.audit(looks, person("1", "Ada", "00:01"), person("2", "Bo", "00:01")), syncer.Audited{Compared: 2, Suspects: 1})
		b.Age(2 * time.Minute)
		got := b.audit(looks, person("1", "Ada", "00:01"), misfit("2"))
		b.found(got, syncer.Audited{Compared: 1, Suspects: 1, Quarantined: 1})
		if st := b.standing(); !st.ProvenAsOf.IsZero() {
			t.Errorf("the copy is proven as of %s", st.ProvenAsOf)
		}
	},
	"what counts is repaired, whatever its version": func(t *testing.T, b *bench) {
		b.drifted()
		b.found(b.audit(repairs, drift()...), syncer.Audited{Compared: 3, Suspects: 3})
		b.want("1 Ada 00:01", "2 Bo 00:09", "3 Cy 00:09")
		b.Age(2 * time.Minute)
		got := b.audit(repairs, drift()...)
		b.found(got, syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1, Repaired: 3})
		b.want("1 Ada 00:01", "2 other 00:05", "4 Di 00:01")
		near(t, "Proven", got.Proven, time.Now())
		if s := b.status(); s.Found != 3 || s.Left != 0 || s.Rows != 3 {
			t.Errorf("the view tells %d found, %d left, %d rows", s.Found, s.Left, s.Rows)
		}
		b.found(b.audit(repairs, drift()...), syncer.Audited{Compared: 3})
	},
	"what counted before is repaired by the first audit that repairs": func(t *testing.T, b *bench) {
		b.drifted()
		b.audit(looks, drift()...)
		b.Age(2 * time.Minute)
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1})
		b.found(b.audit(repairs, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1, Repaired: 3})
		b.want("1 Ada 00:01", "2 other 00:05", "4 Di 00:01")
	},
	"a row that an audit brings back is not one that was deleted": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.changes(tombstone("2", "00:08"))
		list := []syncer.Record{person("1", "Ada", "00:01"), person("2", "restored", "00:06")}
		b.audit(repairs, list...)
		b.Age(70 * time.Second)
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 2, Missing: 1, Repaired: 1})
		b.changes(person("2", "goes on", "00:07"))
		b.want("1 Ada 00:01", "2 goes on 00:07")
	},
	"a difference that lies in the future starts to count again": func(t *testing.T, b *bench) {
		b.drifted()
		b.audit(looks, drift()...)
		b.Age(-time.Hour) // the database's clock was set back
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Suspects: 3})
		b.Age(2 * time.Minute)
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1, Different: 1})
	},
	"an owner whose row changes starts to count again": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		for _, name := range []string{"second", "third"} {
			b.found(b.audit(looks, person("1", name, "00:01")), syncer.Audited{Compared: 1, Suspects: 1})
			b.Age(2 * time.Minute)
		}
		b.found(b.audit(looks, person("1", "third", "00:01")), syncer.Audited{Compared: 1, Different: 1})
		b.found(b.audit(looks, person("1", "fourth", "00:01")), syncer.Audited{Compared: 1, Suspects: 1})
	},
	"a key that changes tell of in between is acquitted": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"), person("3", "Cy", "00:01"), person("4", "Di", "00:01"), person("6", "Flo", "00:01"))
		list := []syncer.Record{person("1", "other", "00:01"), person("4", "other", "00:01"), person("5", "Ed", "00:01"), person("6", "other", "00:01")}
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 4, Suspects: 6})
		b.Age(2 * time.Minute)
		// 1 is updated, 2 found equal, 3 updated, 4 deleted, 5 inserted; that of 6
		// is older than the row and acquits nothing.
		b.changes(person("1", "new", "00:02"), person("2", "Bo", "00:01"), person("3", "new", "00:02"), tombstone("4", "00:02"), person("5", "new", "00:02"), person("6", "late", "00:00"))
		b.found(b.audit(repairs, list...), syncer.Audited{Compared: 4, Suspects: 5, Different: 1, Repaired: 1})
		b.want("1 new 00:02", "2 Bo 00:01", "3 new 00:02", "5 new 00:02", "6 other 00:01")
	},
	"a key that a resync writes in between is acquitted": func(t *testing.T, b *bench) {
		b.drifted()
		b.audit(looks, drift()...)
		b.Age(2 * time.Minute)
		b.list(syncer.Resync, "w1", person("1", "Ada", "00:01"), person("2", "Bo", "00:10"), person("3", "Cy", "00:10"))
		b.found(b.audit(looks, drift()...), syncer.Audited{Compared: 3, Missing: 1, Suspects: 2})
	},
	"a key that changes beside an audit is left alone": func(t *testing.T, b *bench) {
		b.drifted()
		b.audit(repairs, drift()...)
		b.Age(2 * time.Minute)
		w := b.auditing(repairs, syncer.Partition{})
		b.changes(person("2", "new", "00:10"), person("3", "new", "00:10"), person("4", "new", "00:10"), tombstone("1", "00:10"))
		b.apply(w, drift()...)
		b.found(b.audited(w), syncer.Audited{})
		b.want("2 new 00:10", "3 new 00:10", "4 new 00:10")
	},
	"an audit by keys looks at no column": func(t *testing.T, b *bench) {
		b.drifted()
		b.found(b.audit(byKeys, drift()...), syncer.Audited{Compared: 3, Suspects: 2})
		b.Age(2 * time.Minute)
		b.found(b.audit(byKeys, drift()...), syncer.Audited{Compared: 3, Missing: 1, Extra: 1})
		got := b.audit(byKeys, person("1", "x", ""), person("2", "x", ""), person("3", "x", ""))
		b.found(got, syncer.Audited{Compared: 3})
		near(t, "ProvenAsOf", b.standing().ProvenAsOf, time.Now())
	},
	"a record that does not fit is no extra row": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		b.found(b.audit(looks, person("1", "Ada", "00:01"), misfit("2")), syncer.Audited{Compared: 1, Quarantined: 1})
		b.quarantined(1)
		b.want("1 Ada 00:01", "2 Bo 00:01")
	},
	"a tombstone in the list is a record that is not there": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"), person("2", "Bo", "00:01"))
		list := []syncer.Record{person("1", "Ada", "00:01"), tombstone("2", "00:05"), tombstone("3", "00:05")}
		if got := b.audit(repairs, list...); got.Suspects != 1 {
			t.Errorf("the audit found %+v", got)
		}
		b.want("1 Ada 00:01", "2 Bo 00:01")
		b.Age(2 * time.Minute)
		if got := b.audit(repairs, list...); got.Extra != 1 || got.Repaired != 1 {
			t.Errorf("the audit found %+v", got)
		}
		b.want("1 Ada 00:01")
	},
	"extra rows past the guard are held until they are accepted": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 50)...)
		b.found(b.audit(repairs, crowd(1, 30)...), syncer.Audited{Compared: 30, Suspects: 20})
		if s := b.status(); s.Held != 0 {
			t.Errorf("the view holds %d rows that are only suspect", s.Held)
		}
		b.Age(2 * time.Minute)
		for range 2 {
			b.found(b.audit(repairs, crowd(1, 30)...), syncer.Audited{Compared: 30, Extra: 20, Held: 20})
			if s := b.status(); s.Held != 20 || s.Left != 20 || s.Reason == "" || b.count() != 50 || !s.ProvenAsOf.IsZero() {
				t.Fatalf("%d rows are left, the view tells %+v", b.count(), s)
			}
		}
		b.Age(time.Hour)
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		if st := b.standing(); time.Since(st.DeletesAsOf) < 59*time.Minute {
			t.Errorf("delete as-of is %s while rows are held", st.DeletesAsOf)
		}
		if _, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderAccept, Deletes: 19}); err == nil {
			t.Error("19 of 20 were accepted")
		}
		b.obey(syncer.Order{Kind: syncer.OrderAccept, Deletes: 20})
		b.found(b.audit(repairs, crowd(1, 30)...), syncer.Audited{Compared: 30})
		if s := b.status(); s.Held != 0 || s.Left != 0 || b.count() != 30 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
	"held rows that the owner has again are held no more": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 50)...)
		b.audit(repairs, crowd(1, 30)...)
		b.Age(2 * time.Minute)
		b.audit(repairs, crowd(1, 30)...)
		b.found(b.audit(repairs, crowd(1, 50)...), syncer.Audited{Compared: 50})
		if s := b.status(); s.Held != 0 || b.count() != 50 {
			t.Errorf("%d rows are left, the view tells %+v", b.count(), s)
		}
	},
	"an audit of an empty list empties nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		b.found(b.audit(repairs), syncer.Audited{Suspects: 3})
		b.Age(2 * time.Minute)
		b.found(b.audit(repairs), syncer.Audited{Extra: 3, Held: 3})
		if b.count() != 3 {
			t.Errorf("%d rows are left", b.count())
		}
	},
	"a row that is cut is not remembered as deleted": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:09"), person("2", "Bo", "00:09"))
		b.audit(repairs, person("1", "Ada", "00:09"))
		b.Age(70 * time.Second)
		b.audit(repairs, person("1", "Ada", "00:09"))
		b.want("1 Ada 00:09")
		b.changes(person("2", "back", "00:02"))
		b.want("1 Ada 00:09", "2 back 00:02")
	},
	"an audit moves only what audits prove": func(t *testing.T, b *bench) {
		b.settle(b.walk(syncer.Resync, "w0"), syncer.End{Watermark: "W0", Validator: "V", Epoch: "E", Listed: true})
		b.obey(syncer.Order{Kind: syncer.OrderResync})
		b.stand(b.walk(syncer.Changes, "c"), "page 2")
		b.fail(b.walk(syncer.Changes, "c"), syncer.ClassHTTP5xx, "owner answers 503")
		b.Age(time.Hour)
		before := b.standing()
		w := b.auditing(looks, syncer.Partition{})
		b.stand(w, "half")
		if _, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true, Watermark: "A", Validator: "A", Epoch: "A"}}); err != nil {
			t.Fatal(err)
		}
		after := b.standing()
		if after.Listing != nil {
			t.Errorf("the audit goes on from %+v", after.Listing)
		}
		near(t, "AsOf", after.AsOf, before.AsOf)
		before.Position.Resume.Sent, after.Position.Resume.Sent = time.Time{}, time.Time{}
		if diff := cmp.Diff(before.Position, after.Position); diff != "" || !after.Resync {
			t.Errorf("resync %v, position (-before +after):\n%s", after.Resync, diff)
		}
		if s := b.status(); s.Class != syncer.ClassHTTP5xx || s.Error != "owner answers 503" {
			t.Errorf("the view tells %q %q", s.Class, s.Error)
		}
	},
	"an audit that fails is told apart, and moves nothing": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", person("1", "Ada", "00:01"))
		before := b.standing()
		w := b.auditing(looks, syncer.Partition{})
		b.apply(w, person("1", "Ada", "00:01"))
		b.stand(w, "half")
		b.fail(w, syncer.ClassHTTP5xx, "owner answers 503")
		if s := b.status(); s.Class != "" || s.Error != "" || !s.FailingSince.IsZero() || s.Level != syncer.Fresh || !strings.Contains(s.AuditError, "owner answers 503") {
			t.Errorf("the view tells %q %q, of audits %q", s.Class, s.Error, s.AuditError)
		}
		after := b.standing()
		if after.Listing == nil || after.Listing.Cursor != "half" || !after.ProvenAsOf.IsZero() {
			t.Errorf("standing is %+v", after)
		}
		near(t, "Audited", after.Audited, before.Audited)
		b.settle(b.walk(syncer.Changes, "c"), syncer.End{Watermark: "C"})
		if s := b.status(); s.AuditError == "" {
			t.Error("a walk for changes clears what an audit failed of")
		}
		b.found(b.audited(w), syncer.Audited{Compared: 1})
		if s := b.status(); s.AuditError != "" {
			t.Errorf("a complete audit leaves %q", s.AuditError)
		}
	},
	"an audit goes on where it was interrupted": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 6)...)
		w := b.auditing(looks, syncer.Partition{})
		b.apply(w, crowd(1, 3)...)
		b.stand(w, "half")
		l := b.standing().Listing
		if l == nil || l.Kind != syncer.Audit || l.Walk != w.ID || l.Cursor != "half" {
			t.Fatalf("the audit goes on from %+v", l)
		}
		b.table = b.Table(b.db, b.spec) // as after a restart
		b.apply(w, crowd(4, 3)...)
		b.found(b.audited(w), syncer.Audited{Compared: 6})
	},
	"an audit that saw not everything is refused": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		w := b.auditing(repairs, syncer.Partition{})
		if s, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{}}); err == nil || errors.Is(err, syncer.ErrFenced) {
			t.Errorf("settled %+v, %v", s, err)
		}
		if st := b.standing(); !st.ProvenAsOf.IsZero() {
			t.Errorf("the copy is proven as of %s", st.ProvenAsOf)
		}
	},
	"an audit whose notes are lost finds nothing extra": func(t *testing.T, b *bench) {
		b.list(syncer.Resync, "w0", crowd(1, 3)...)
		w := b.auditing(repairs, syncer.Partition{})
		b.apply(w, crowd(1, 3)...)
		b.stand(w, "half")
		b.LoseNotes()
		if s, err := b.table.Settle(t.Context(), w, syncer.Settlement{End: &syncer.End{Listed: true}}); !errors.Is(err, syncer.ErrListLost) {
			t.Errorf("settled %+v, %v; want ErrListLost", s, err)
		}
		if st := b.standing(); st.Listing != nil || !st.ProvenAsOf.IsZero() {
			t.Errorf("standing is %+v", st)
		}
		b.found(b.audit(repairs, crowd(1, 3)...), syncer.Audited{Compared: 3})
	},
}
