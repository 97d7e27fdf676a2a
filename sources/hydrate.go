package sources

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
)

const (
	// usualBatch is how many keys are asked for at one time, and mostBatch how
	// many can be.
	usualBatch = 100
	mostBatch  = 10_000
	// longestKey is the longest key that is asked for: no table holds a longer
	// one.
	longestKey = 2048
)

// hydrate is a compiled Hydrate.
type hydrate struct {
	asker   *asker
	decoder *decode.Decoder
	errorAt place
	// batch is how many records one request is for; 1 where they are fetched
	// one by one.
	batch  int
	lone   bool
	key    int   // slot of the only key there is, where keys are joined
	keys   []int // slots
	join   string
	joined bool // the keys stand in a text, parted by join
	// fields are those of {record.FIELD}, slots where the feed's records have
	// them.
	fields  []string
	slots   []int
	width   int // slots of a fetched record
	deleted int // slot, or -1
	missing bool
}

func (s *Source) compileHydrate(set *pathSet) error {
	spec := s.spec.Records.Hydrate
	if spec == nil {
		return nil
	}
	h := &hydrate{join: cmp.Or(spec.Join, ","), batch: cmp.Or(max(spec.Batch, 0), usualBatch),
		missing: spec.MissingDeleted, deleted: -1, fields: spec.Request.fields("record")}
	if s.spec.Request.Conditional {
		return errors.New("conditional does not go with hydrate: \"not modified\" is said of the list, and nothing of its records")
	}
	if err := h.check(&spec.Request); err != nil {
		return fmt.Errorf("read hydrate: %w", err)
	}
	h.key, h.keys = s.keys[0], s.keys
	if s.hydrate = h; h.lone {
		h.batch, h.missing = 1, false
	} else if err := s.oneKey("{keys}"); err != nil {
		return err
	}
	var err error
	if h.slots, err = set.findAll(h.fields); err == nil && spec.Deleted != "" {
		h.deleted, err = set.find(spec.Deleted)
	}
	if err == nil {
		err = s.compileHydrated(h, spec, set)
	}
	if err != nil {
		return fmt.Errorf("read hydrate: %w", err)
	}
	return nil
}

// check finds out how records are fetched.
func (h *hydrate) check(r *Request) error {
	keys, strange := 0, ""
	r.templates(func(t Template) {
		for _, p := range t {
			switch p.Placeholder {
			case "", "each", "record":
			case "keys":
				keys++
			default:
				strange = p.String()
			}
		}
	})
	h.lone = keys == 0
	h.joined = len(r.fields("keys")) > 0 && !bodyOnly(r)
	switch {
	case strange != "":
		return fmt.Errorf("%s has no meaning there", strange)
	case h.lone && len(h.fields) == 0:
		return errors.New("its request names no record: it needs {keys} or {record.FIELD}")
	case !h.lone && len(h.fields) > 0:
		return errors.New("{record.FIELD} is of one record, {keys} of several")
	case h.batch > mostBatch:
		return fmt.Errorf("a batch of %d keys is more than %d", h.batch, mostBatch)
	case r.Conditional:
		return errors.New("it cannot be conditional")
	}
	return nil
}

// bodyOnly reports whether {keys} stands nowhere but as a whole value in a
// body, where it is a list.
func bodyOnly(r *Request) bool {
	if r.Body == nil || r.Body.Kind == Text {
		return false
	}
	texts := Request{Path: r.Path, Query: r.Query, Headers: r.Headers}
	whole := true
	r.Body.templates(func(t Template) {
		if len(t) > 1 {
			whole = whole && !slices.ContainsFunc(t, func(p Part) bool { return p.Placeholder == "keys" })
		}
	})
	return whole && len(texts.fields("keys")) == 0
}

// compileHydrated compiles how the fetched records are read: in the slots of
// the feed's own.
func (s *Source) compileHydrated(h *hydrate, spec *Hydrate, set *pathSet) error {
	var own places
	var err error
	if h.errorAt, err = own.add(s.spec.Records.Error); err != nil {
		return err
	}
	s.claim(set)
	l := decode.Layout{Record: set.plain(), Body: own, Blanks: true, Unnamed: s.unnamed(nil)}
	if h.lone {
		l.As, l.Blanks = decode.One, false
	}
	if spec.At != "" {
		if l.At, err = decode.ParsePath(strings.TrimPrefix(spec.At, "body:")); err != nil {
			return err
		}
	}
	if l.Record[h.key] == nil && !h.lone {
		return errors.New("the key has no path by which the fetched records could be told apart")
	}
	h.width = len(l.Record)
	if h.decoder, err = s.reader(l); err != nil {
		return err
	}
	h.asker, err = newAsker(s.client, spec.Request)
	return err
}

// identity is what tells the record from others, as text; false where a part
// of its key is not there.
func (h *hydrate) identity(slots [][]byte) (string, bool) {
	whole := ""
	for _, slot := range h.keys {
		text, ok, err := decode.Text(slots[slot])
		if err != nil || !ok || text == "" {
			return "", false
		}
		if len(h.keys) == 1 {
			return text, true
		}
		whole += fmt.Sprintf("%d:%s", len(text), text)
	}
	return whole, true
}

// refused says why a record cannot be asked for; "" if it can.
func (h *hydrate) refused(slots [][]byte) (text, why string) {
	text, ok := h.identity(slots)
	switch {
	case !ok:
		return "", "is listed as changed without a key"
	case len(text) > longestKey:
		return "", fmt.Sprintf("cannot be fetched: its key is longer than %d bytes", longestKey)
	case h.joined && strings.Contains(text, h.join):
		return "", fmt.Sprintf("cannot be fetched: its key holds %q, which parts one key from another", h.join)
	}
	return text, ""
}

// look finds what a placeholder of the request stands for.
func (h *hydrate) look(j *job, each func(string) []byte) values {
	return func(p Part) []byte {
		switch p.Placeholder {
		case "each":
			return each(p.Field)
		case "record":
			if i := slices.Index(h.fields, p.Field); i >= 0 {
				return j.asked[0].record.Slots[h.slots[i]]
			}
		case "keys":
			var raws [][]byte
			var texts []string
			for _, w := range j.asked {
				raws, texts = append(raws, w.record.Slots[h.key]), append(texts, w.text)
			}
			if p.Field == wholeList {
				return slices.Concat([]byte("["), bytes.Join(raws, []byte(",")), []byte("]"))
			}
			return quote(strings.Join(texts, h.join))
		}
		return nil
	}
}
