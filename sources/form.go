package sources

import (
	"errors"
	"fmt"
	"slices"

	"github.com/larder-sync/larder/sources/decode"
)

// form is what a source makes of records that are no plain objects of a list.
type form struct {
	width int // slots of a record
	// outside is, for the slots of an unwrapped record that are looked for in
	// its envelope first, the slot of what was found there; within lists the
	// slots of the record itself.
	outside  map[int]int
	within   []int
	removals *removals
	removed  *removed
	hydrate  *hydrate
}

// compileForm comes when all that is read of records is known.
func (s *Source) compileForm(set *pathSet) error {
	r := &s.spec.Records
	switch {
	case s.format.Bare && (len(set.at) > 0 || len(set.body) > 0 || r.DeletedList.At != ""):
		return fmt.Errorf("%s holds records only: no place in the body can be named", s.format.Name)
	case s.format.Bare && r.As != AsArray:
		return fmt.Errorf("each line of %s is a record: they cannot come as %q", s.format.Name, r.As)
	case r.Separator != "" && r.Format != CSV:
		return fmt.Errorf("%s has no separator", s.format.Name)
	case r.AbsentEmpty && r.Require.At == "":
		return errors.New("an answer without the records is empty only together with require, which tells it from an error")
	case s.newestEventsFirst():
		return errors.New("the newest events come first, so of two about one record the older would come last and stand: it needs a version")
	}
	s.hydrate = nil
	err := errors.Join(s.compileRemovals(), s.compileHydrate(set), s.compileOutside(set))
	s.width = len(set.record)
	return err
}

// newestEventsFirst reports whether pages, or windows, come newest first, and
// nothing tells that a later one is older. A single page is turned round, and by
// Since the oldest page comes first.
func (s *Source) newestEventsFirst() bool {
	r, first, by := &s.spec.Records, s.spec.Watermark.First, s.spec.Paging.By
	single := by == None && !s.format.Bare
	return s.spec.Mode != SnapshotAll && first != "" && !single && by != Since && len(r.Version) == 0 && !slices.Contains(r.Key, first)
}

// compileOutside finds what is looked for in the envelope first.
func (s *Source) compileOutside(set *pathSet) error {
	r, w := &s.spec.Records, &s.spec.Watermark
	if r.Unwrap == "" {
		return nil
	}
	for slot, want := range set.wanted {
		if _, constant := s.constants[slot]; !constant && !want.event {
			s.within = append(s.within, slot)
		}
	}
	s.outside = map[int]int{}
	texts := slices.Concat(r.Key, r.Version, []string{r.Deleted})
	if s.spec.Mode != SnapshotAll {
		texts = slices.Concat(texts, w.From, []string{w.Last, w.First})
	}
	for _, text := range texts {
		if text == "" {
			continue
		}
		slot, err := set.find(text)
		if err != nil {
			return err
		}
		if slices.Contains(s.within, slot) {
			if s.outside[slot], err = set.find("event:" + text); err != nil {
				return err
			}
		}
	}
	return nil
}

// open takes records out of their envelopes. An event without a record has to
// be a deletion: else its row would be made of nothing.
func (s *Source) open(records [][][]byte) error {
	if s.outside == nil {
		return nil
	}
	for _, slots := range records {
		something := len(s.within) == 0 || slices.ContainsFunc(s.within, func(slot int) bool { return slots[slot] != nil })
		for slot, outer := range s.outside {
			if v := slots[outer]; v != nil && string(v) != "null" {
				slots[slot] = v
			}
		}
		if something {
			continue
		}
		gone := false
		if s.deleted >= 0 {
			var err error
			if gone, err = s.saysGone(slots[s.deleted]); err != nil {
				return err
			}
		}
		if !gone {
			return decodeError("an event has nothing at %q and is no deletion", s.spec.Records.Unwrap)
		}
	}
	return nil
}

// asTexts makes the values that a field may hold to texts, as those of a format
// of texts are.
func asTexts(values [][]byte) [][]byte {
	texts := make([][]byte, len(values))
	for i, raw := range values {
		texts[i] = raw
		if text, ok, err := decode.Text(raw); ok && err == nil {
			texts[i] = quote(text)
		}
	}
	return texts
}

// named is the slots of a record of which only the key is known.
func (s *Source) named(key []byte) [][]byte {
	slots := make([][]byte, s.width)
	for _, slot := range s.keys {
		slots[slot] = key
	}
	return slots
}

// oneKey refuses keys of which a list of ids could name only a part.
func (s *Source) oneKey(what string) error {
	if len(s.keys) != 1 {
		return fmt.Errorf("%s names records by one value: the key must be one field, and values of the partition", what)
	}
	return nil
}

// reader compiles a layout within the owner's bounds.
func (s *Source) reader(l decode.Layout) (*decode.Decoder, error) {
	o := &s.client.owner
	l.MaxDepth, l.MaxBytes = o.MaxDepth, o.MaxBody
	return l.Compile()
}
