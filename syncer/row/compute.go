package row

// compute computes what column i of the record in hand is converted from, if it
// is a computed one. A null where there is a default is as good as nothing.
func (r *reading) compute(i int) error {
	c := &r.spec.Columns[i]
	if c.Computed == nil || r.slots == nil || r.raws[i] != nil {
		return nil
	}
	slots := r.slots
	if r.spec.Broken != BrokenReject {
		slots = make([][]byte, len(r.slots))
		for n, raw := range r.slots {
			slots[n] = r.spec.Broken.mend(raw)
		}
	}
	raw, err := c.Computed.Value(slots)
	if err != nil {
		return reason(err.Error())
	}
	if c.Default == nil || kindOf(trim(raw)) != aNull {
		r.raws[i] = raw
	}
	return nil
}

// mark says of a misfit why it can not be read again; "" if it can. What is
// computed of it is computed for that, as far as it is not yet: its fields are
// not kept.
func (r *reading) mark(gone, unjudged bool) string {
	switch {
	case gone:
		return markTombstone
	case unjudged:
		return markUnjudged
	}
	for i := range r.spec.Columns {
		if r.compute(i) != nil {
			return markUncomputed
		}
	}
	return ""
}
