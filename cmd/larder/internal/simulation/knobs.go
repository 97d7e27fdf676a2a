package simulation

import (
	"maps"
	"slices"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/sourcetest"
	"github.com/larder-sync/larder/syncer"
)

// anyFault counts all faults that took effect.
const anyFault = "any fault"

// hit counts that a knob took effect.
func (l *life) hit(knob string) {
	l.counting.Lock()
	defer l.counting.Unlock()
	l.hits[knob]++
}

// strikes counts that a fault did.
func (l *life) strikes(fault string) {
	l.hit("fault: " + fault)
	l.hit(anyFault)
}

// counts is how often each knob took effect, those of the owner included.
func (l *life) counts() map[string]int {
	l.counting.Lock()
	defer l.counting.Unlock()
	all := maps.Clone(l.hits)
	for knob, n := range l.owner.Hits() {
		all["owner: "+knob] += n
	}
	return all
}

// lives counts what a whole life has had.
func (l *life) lives() {
	c := &l.Contract
	l.hit("mode " + string(c.Mode))
	if l.owner.Hits()["another page follows"] > 0 {
		l.hit("pages by " + string(c.By))
		l.hit("order of " + string(c.Mode) + " by " + orderName(c.Order))
		l.hit("end told by " + string(c.Told))
	}
	for knob, is := range map[string]bool{
		"two databases": !c.Shared, "partitions": c.Parts > 1, "deletions nobody tells of": !c.tells(),
		"two walks confirm": c.Confirm > 1, "writes take long": c.Slow > 0, "until, settled": c.Settle > 0, "until": c.Until,
		"list of its own": c.Listed, "retention": c.Retention > 0, "pages that can skip": l.skips(),
	} {
		if is {
			l.hit(knob)
		}
	}
}

// saw counts what polls came to.
func (l *life) saw(reports []syncer.Report) {
	for _, r := range reports {
		if r.Expired {
			l.hit("walk expired")
		}
		for _, t := range r.Tables {
			for knob, n := range map[string]int{"set aside": t.Applied.Quarantined, "sweep waits": t.Settled.Waiting, "swept": t.Settled.Swept, "sweep held": t.Settled.Held} {
				if n > 0 {
					l.hit(knob)
				}
			}
		}
	}
}

func orderName(o sourcetest.Order) string {
	if o == "" {
		return string(sourcetest.ByStamp)
	}
	return string(o)
}

// knobs are all that a whole run has to hit.
func knobs() []string {
	all := []string{anyFault, "two databases", "partitions", "deletions nobody tells of", "two walks confirm", "writes take long",
		"until", "until, settled", "list of its own", "retention", "pages that can skip",
		"notes lost", "resync ordered", "restarted", "backup restored", "poll beside", "audit looks", "audit repairs",
		"walk resumed", "walk changes", "walk snapshot", "walk resync", "walk audit", "walk expired", "owner lied", "sweep held", "set aside", "sweep waits", "swept"}
	for _, m := range []sources.Mode{sources.Incremental, sources.SnapshotAll, sources.Delta, sources.Log} {
		all = append(all, "mode "+string(m))
	}
	for _, s := range []sources.Style{sources.Cursor, sources.NextURL, sources.Link, sources.Page, sources.Offset, sources.Keyset, sources.Since} {
		all = append(all, "pages by "+string(s))
	}
	for _, e := range []Told{Plain, ShortPage, Total, Pages, More} {
		all = append(all, "end told by "+string(e))
	}
	for _, f := range faults() {
		all = append(all, "fault: "+f)
	}
	for _, k := range sourcetest.Knobs() {
		if !slices.Contains(undrawn(), k) {
			all = append(all, "owner: "+k)
		}
	}
	return all
}

// faults are all that can go wrong, by name.
func faults() []string {
	all := []string{"kill before a request", "kill behind an answer", "kill at begin", "kill at commit", "kill at committed",
		"table fails at begin", "table fails at commit", "table fails at committed", "lease lost", "stop", "resume refused"}
	return append(all, answers()...)
}

// undrawn are the knobs of an owner that no history has. What breaks a contract
// is for planted bugs; what stands in bytes, and what a quota costs, is tested
// with the source.
func undrawn() []string {
	return []string{
		// Contracts that are not kept.
		"null stamp", "order unsorted", "totals drift", "cycle of one", "cycle of two", "parameter ignored", "number given early", "token refused", "record withheld",
		// Bytes.
		"number beyond 2^53", "NUL character", "invalid UTF-8", "stamp as epoch", "ok false", "bomb", "another body",
		// A history lets time pass by itself, and strikes by itself.
		"slow answer", "stall", "write between requests", "quota spent", "quota told",
		// Sources ask caches for what they have; a log is resynced before its events go.
		"cache passed by", "event trimmed",
	}
}
