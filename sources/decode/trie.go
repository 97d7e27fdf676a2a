package decode

import "strconv"

// node is one place of a body or of a record, with the wanted places below
// it. A compiled trie is only read.
type node struct {
	slots    []int // which slots the value at this place fills
	members  map[string]*node
	elements map[int]*node // those members whose name is an index
	records  bool          // the records are here
	rest     rest          // all members are told but these; nil: none is
}

// descend returns the node at path, made where it is missing.
func (n *node) descend(path Path) *node {
	for _, name := range path {
		next := n.members[name]
		if next == nil {
			next = new(node)
			n.adopt(name, next)
		}
		n = next
	}
	return n
}

func (n *node) adopt(name string, child *node) {
	if n.members == nil {
		n.members = make(map[string]*node)
	}
	n.members[name] = child
	i, err := strconv.Atoi(name)
	if err != nil || i < 0 || strconv.Itoa(i) != name {
		return
	}
	if n.elements == nil {
		n.elements = make(map[int]*node)
	}
	n.elements[i] = child
}

// leaf reports whether nothing inside the place is wanted on its own.
func (n *node) leaf() bool { return n.members == nil && !n.records && n.rest == nil }
