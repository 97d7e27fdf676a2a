package syncertest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// brokenText is what no database takes, and what comes of it by each policy.
func brokenText() (sent []syncer.Record, kept map[row.Broken][][]string) {
	for id, text := range []string{`"a\u0000b"`, "\"a\xffb\"", `"a\ud800b"`, `"\ud83d\ude00"`} {
		sent = append(sent, syncer.Record{Slots: [][]byte{fmt.Append(nil, id), []byte(text), []byte(`{"n":[` + text + `]}`)}})
	}
	whole := []string{"3", "😀", `{"n":["😀"]}`}
	kept = map[row.Broken][][]string{row.BrokenReject: {whole}}
	for policy, text := range map[row.Broken]string{row.BrokenStrip: "ab", row.BrokenReplace: "a\ufffdb"} {
		for id := range 3 {
			kept[policy] = append(kept[policy], []string{fmt.Sprint(id), text, canonical(`{"n":["` + text + `"]}`)})
		}
		kept[policy] = append(kept[policy], whole)
	}
	return sent, kept
}

// mend holds each policy for broken text against what the consumer finds, and a
// record that was set aside against the policy by which it is tried again.
func mend(t *testing.T, open func(*testing.T) Harness) {
	sent, kept := brokenText()
	spec := people()
	spec.Name, spec.Target, spec.Version = "test.texts", "texts", -1
	spec.Columns = []row.Column{
		{Name: "id", Type: row.Type{Kind: row.Bigint}, NotNull: true, Slots: []int{0}},
		{Name: "name", Slots: []int{1}},
		{Name: "doc", Type: row.Type{Kind: row.JSON}, Slots: []int{2}},
	}
	names := []string{"id", "name", "doc"}
	for _, policy := range []row.Broken{row.BrokenReject, row.BrokenStrip, row.BrokenReplace} {
		t.Run("broken text, "+string(policy), func(t *testing.T) {
			h := open(t)
			spec := spec
			spec.Broken = policy
			b := newBench(t, h, spec)
			want := kept[policy]
			if a := b.apply(b.walk(syncer.Changes, "w1"), sent...); a.Inserted != len(want) || a.Quarantined != 4-len(want) {
				t.Errorf("counted %+v", a)
			}
			if diff := cmp.Diff(want, sorted(h.Rows("texts", names))); diff != "" {
				t.Errorf("rows differ (-want +got):\n%s", diff)
			}
			if a := b.apply(b.walk(syncer.Changes, "w2"), sent...); a.Unchanged != len(want) {
				t.Errorf("the same records again: %+v, want them unchanged", a)
			}
			if policy != row.BrokenReject {
				return
			}
			spec.Broken = row.BrokenReplace
			b.use(spec)
			if out, err := b.table.Obey(t.Context(), syncer.Order{Kind: syncer.OrderQuarantineRetry}); err != nil {
				t.Fatalf("retry: %+v, %v", out, err)
			}
			if diff := cmp.Diff(kept[row.BrokenReplace], sorted(h.Rows("texts", names))); diff != "" {
				t.Errorf("rows after they were tried again (-want +got):\n%s", diff)
			}
		})
	}
}
