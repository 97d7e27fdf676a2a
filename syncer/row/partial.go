package row

// absent says which columns a record tells nothing of; nil: it tells of all. What
// is computed it tells: where records are partial, that is computed of what
// every one of them has.
func (s *Spec) absent(raws [][]byte) []bool {
	var out []bool
	for i, raw := range raws {
		c := &s.Columns[i]
		if len(raw) > 0 || c.Default != nil || c.Each != "" || c.Computed != nil {
			continue
		}
		if out == nil {
			out = make([]bool, len(raws))
		}
		out[i] = true
	}
	return out
}

// complete takes from the change before what r tells nothing of. After a
// delete, which holds a key and a version, there is no row to keep anything
// of: what is absent is null.
func (r *Row) complete(before *change) {
	still := false
	for i, absent := range r.Absent {
		if !absent {
			continue
		}
		r.Values[i] = before.row.Values[i]
		r.Absent[i] = before.row.Absent != nil && before.row.Absent[i]
		still = still || r.Absent[i]
	}
	if !still {
		r.Absent = nil
	}
}
