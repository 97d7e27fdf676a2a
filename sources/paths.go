package sources

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
)

// pathSet collects what is read of records and bodies.
type pathSet struct {
	at     decode.Path
	record []decode.Path // nil: not read of the record
	body   places
	each   map[int]string
	// wanted is the paths as they were given, one a slot; own are the slots that
	// the source needs for itself.
	wanted []wanted
	own    []int
	// inner is where the record lies inside its envelope, and names the slots
	// of a map's names.
	as    As
	inner decode.Path
	names []int
	// value is the path by which a record that is a single value is read,
	// and lone says that the others are read elsewhere.
	value string
	lone  bool
}

// wanted is a path of the record, or of the envelope that it came in.
type wanted struct {
	event bool
	path  decode.Path
}

func (w wanted) same(o wanted) bool { return w.event == o.event && slices.Equal(w.path, o.path) }

// newPathSet begins the path set of a source.
func newPathSet(r *Records, each map[int]string) (*pathSet, error) {
	set := &pathSet{as: r.As, each: each, lone: r.Hydrate != nil}
	var err error
	if r.Unwrap != "" {
		if r.As == AsColumns || r.As == AsValue {
			return nil, fmt.Errorf("unwrap needs events that are objects, not %q", r.As)
		}
		if set.inner, err = decode.ParsePath(r.Unwrap); err != nil {
			return nil, err
		}
	}
	if r.As == AsValue {
		field := func(key string) bool { return !strings.HasPrefix(key, "each.") }
		at := slices.IndexFunc(r.Key, field)
		if at < 0 || slices.ContainsFunc(r.Key[at+1:], field) {
			return nil, errors.New("a record that is a single value needs a key of one field, which is that value")
		}
		set.value = r.Key[at]
	}
	return set, nil
}

// parse reads the path of a record, or, behind "event:", of its envelope. The
// empty path is a record that is a value.
func (p *pathSet) parse(text string) (w wanted, err error) {
	rest, event := strings.CutPrefix(text, "event:")
	if rest == "" && !event && (p.as == AsValue || p.as == AsMap) {
		return wanted{path: decode.Path{}}, nil
	}
	w.event = event
	w.path, err = decode.ParsePath(rest)
	return w, err
}

// add appends a path and returns its slot. A path each.NAME stands for a value
// of the partition; its slot is filled after decoding.
func (p *pathSet) add(text string) (int, error) {
	w, err := p.parse(text)
	if err != nil {
		return 0, err
	}
	return p.place(w, text)
}

func (p *pathSet) place(w wanted, text string) (int, error) {
	slot := len(p.record)
	path := slices.Concat(p.inner, w.path)
	switch {
	case !w.event && len(w.path) == 2 && w.path[0] == "each" && strings.HasPrefix(text, "each."):
		p.each[slot], path = w.path[1], nil
	case w.event && p.as == AsMap && slices.Equal(w.path, decode.Path{"key"}):
		p.names, path = append(p.names, slot), nil
	case w.event && p.inner == nil:
		return 0, fmt.Errorf("path %q: records come without an envelope", text)
	case w.event:
		path = w.path
	case p.as == AsValue && (len(w.path) == 0 || text == p.value):
		path = decode.Path{}
	case p.as == AsValue && p.lone:
		path = nil
	case p.as == AsValue:
		return 0, fmt.Errorf("path %q: a record is a single value, of which only the key %q can be read", text, p.value)
	case path == nil:
		path = decode.Path{}
	}
	p.record, p.wanted = append(p.record, path), append(p.wanted, w)
	return slot, nil
}

// find returns the slot of a path, which it adds if it is not there.
func (p *pathSet) find(text string) (int, error) {
	w, err := p.parse(text)
	if err != nil {
		return 0, err
	}
	slot := slices.IndexFunc(p.wanted, w.same)
	if slot < 0 {
		slot, err = p.place(w, text)
	}
	p.own = append(p.own, slot)
	return slot, err
}

func (p *pathSet) findAll(texts []string) ([]int, error) {
	var slots []int
	for _, text := range texts {
		slot, err := p.find(text)
		if err != nil {
			return nil, err
		}
		slots = append(slots, slot)
	}
	return slots, nil
}

// plain is the paths as they lead into a record that comes on its own.
func (p *pathSet) plain() []decode.Path {
	all := make([]decode.Path, len(p.wanted))
	for slot, w := range p.wanted {
		if _, constant := p.each[slot]; !constant && !w.event && len(w.path) > 0 {
			all[slot] = w.path
		}
	}
	return all
}
