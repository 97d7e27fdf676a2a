package feedtest

import (
	"fmt"
	"net/http"
)

// Couch is CouchDB's _changes: the last change of each document after an opaque
// sequence, which itself says how many are pending. It may send a change from
// before that sequence again, and its sequences do not expire.
type Couch struct{ Store }

const couchPage = 3

// ServeHTTP answers /{db}/_changes.
func (c *Couch) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.note(r)
	q := r.URL.Query()
	from := 0
	if since := q.Get("since"); since != "" && since != "0" {
		if n, err := fmt.Sscanf(since, "%d-g1AAAA", &from); err != nil || n != 1 {
			answer(w, http.StatusBadRequest, object{"error": "bad_request", "reason": "Malformed sequence supplied in 'since' parameter."})
			return
		}
	}
	upto := c.now()
	size := sized(q, "limit", couchPage)
	all := c.between(from, upto, true)
	rows, last := []object{}, from
	if again := c.between(0, from, true); len(all) > 0 && len(again) > 0 {
		rows = append(rows, couchRow(again[len(again)-1])) // a replay
	}
	shown := 0
	for _, change := range all {
		if len(rows) == size {
			break
		}
		rows, last, shown = append(rows, couchRow(change)), change.Seq, shown+1
	}
	answer(w, http.StatusOK, object{"results": rows, "last_seq": sequence(last), "pending": len(all) - shown})
}

func sequence(n int) string { return fmt.Sprintf("%d-g1AAAA", n) }

func couchRow(c Change) object {
	row := object{"seq": sequence(c.Seq), "id": c.ID, "changes": []object{{"rev": fmt.Sprintf("%d-a", c.Seq)}},
		"doc": object{"_id": c.ID, "name": c.Value}}
	if c.Gone {
		row["deleted"], row["doc"] = true, object{"_id": c.ID, "_deleted": true}
	}
	return row
}
