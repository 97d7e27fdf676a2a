package config

// inherit merges [defaults] into what they are defaults of, key by key and as deep as tables go. What is one of
// several kinds (auth, deleted, each) is not merged: the nearer one stands for the whole.
func (r *reader) inherit(root *node) {
	d := root.child("defaults")
	if d != nil {
		if _, ok := r.section(d); !ok {
			d = nil
		}
	}
	for _, what := range []string{"consumer", "owner", "source", "table", "alert"} {
		from := d.child(what)
		if from != nil && from.kind != kindTable {
			r.wrong(from, "is %s; write [defaults.%s] with keys below", from.what(), what)
			from = nil
		}
		r.expand(from)
		r.expand(from.child("budget"))
		all := root.child(what)
		if all == nil {
			continue
		}
		for i, n := range all.below {
			r.expand(n)
			r.expand(n.child("budget"))
			all.below[i] = r.merged(n, from)
		}
	}
}

// expand writes out what stands for a table by its one obvious key, so that defaults can be merged into it.
func (r *reader) expand(n *node) {
	if n == nil || n.kind != kindTable {
		return
	}
	for i, c := range n.below {
		t, _ := r.form(c).variant(isTable)
		_, isFile := fileOf(c)
		if t.obvious == "" || c.kind == kindTable && !isFile {
			continue
		}
		whole := &node{kind: kindTable, key: c.key, index: c.index, parent: n, keyAt: c.keyAt, at: c.at}
		value := *c
		value.key = t.obvious
		for _, below := range value.below {
			below.parent = &value
		}
		whole.add(&value)
		n.below[i] = whole
	}
}

// merged returns n with what it lacks from d. The nodes of d keep their parents, so their mistakes are told
// where they stand, under [defaults].
func (r *reader) merged(n, d *node) *node {
	if n.kind != kindTable || d == nil || d.kind != kindTable {
		return n
	}
	if _, isFile := fileOf(n); isFile {
		return n
	}
	m := *n
	m.below = nil
	for _, c := range n.below {
		if t, _ := r.form(c).variant(isTable); !t.whole {
			c = r.merged(c, d.child(c.key))
		}
		m.below = append(m.below, c)
	}
	for _, c := range d.below {
		if n.child(c.key) == nil {
			m.below = append(m.below, c)
		}
	}
	return &m
}
