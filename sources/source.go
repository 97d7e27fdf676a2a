package sources

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/larder-sync/larder/sources/decode"
)

// Source is one feed of an owner: a syncer.Source over HTTP. It keeps nothing
// between walks and may walk several partitions at the same time.
type Source struct {
	spec    Spec
	client  *Client
	asker   *asker
	style   style
	decoder *decode.Decoder
	paging  paging

	errorAt   place
	require   test
	watermark markSpec
	expired   expired
	deleted   int // slot, or -1
	goneIf    [][]byte
	keys      []int          // slots
	constants map[int]string // slot to the partition value that fills it
	// streamed bodies are read in windows while they arrive.
	streamed bool
	// everything is asked by a resync, where that is not asked as changes are;
	// before, where set, is asked ahead of it. lists says that a complete
	// resync has seen all that there is.
	everything *Source
	before     *before
	lists      bool
	parts      string // digest of those parts
	epochs     epoch
	bounded    bool // the request has {until}
}

// New compiles a spec. It sends nothing.
func New(c *Client, spec Spec) (*Source, error) {
	s := newSource(c, spec)
	err := s.compile()
	if err == nil {
		err = s.compileResync()
	}
	if err != nil {
		return nil, fmt.Errorf("read source %q: %w", spec.Name, err)
	}
	return s, nil
}

func newSource(c *Client, spec Spec) *Source {
	return &Source{spec: spec, client: c, constants: map[int]string{}, deleted: -1}
}

func (s *Source) compile() error {
	switch s.spec.Mode {
	case Incremental, SnapshotAll, Delta, Log:
	default:
		return fmt.Errorf("unknown mode %q", s.spec.Mode)
	}
	s.spec.Paging.By = cmp.Or(s.spec.Paging.By, None)
	s.spec.Paging.MaxTime = cmp.Or(s.spec.Paging.MaxTime, 24*time.Hour)
	s.streamed = s.spec.Records.Format == NDJSON && s.spec.Paging.By == None
	if s.spec.Request.Conditional && s.spec.Paging.By != None {
		return errors.New("conditional needs paging by \"none\": later pages may change while the first does not")
	}
	set := &pathSet{each: s.constants}
	for _, text := range s.spec.Paths {
		if _, err := set.add(text); err != nil {
			return err
		}
	}
	err := errors.Join(s.compileRecords(set), s.compilePaging(set), s.compileEpoch(set))
	if err == nil {
		err = s.checkBound()
	}
	if err != nil {
		return err
	}
	if s.spec.Records.Format == NDJSON && (len(set.at) > 0 || len(set.body) > 0) {
		return errors.New("lines hold records only: no place in the body can be named")
	}
	if s.asker, err = newAsker(s.client, s.spec.Request, s.streamed); err != nil {
		return err
	}
	s.asker.examine = s.expired.examine()
	s.decoder, err = s.layout(set).Compile()
	return err
}

func (s *Source) compileRecords(set *pathSet) (err error) {
	r := s.spec.Records
	if r.At != "" {
		if set.at, err = decode.ParsePath(strings.TrimPrefix(r.At, "body:")); err != nil {
			return err
		}
	}
	for _, key := range r.Key {
		slot, err := set.find(key)
		if err != nil {
			return err
		}
		if _, constant := s.constants[slot]; !constant {
			s.keys = append(s.keys, slot)
		}
	}
	if len(s.keys) == 0 {
		return errors.New("no field of the record is in its key")
	}
	if r.Deleted != "" {
		if s.deleted, err = set.find(r.Deleted); err != nil {
			return err
		}
		s.goneIf = rawValues(r.DeletedEquals)
	}
	if s.errorAt, err = set.body.add(r.Error); err != nil {
		return err
	}
	if s.require, err = set.body.test(r.Require); err != nil {
		return err
	}
	if s.expired, err = newExpired(s.spec.Expired, &set.body, &s.client.owner); err != nil {
		return err
	}
	return s.compileWatermark(set)
}

func (s *Source) compileWatermark(set *pathSet) (err error) {
	if s.spec.Mode == SnapshotAll {
		return nil
	}
	if s.watermark, err = newMarkSpec(s.spec.Watermark, set, s.watermarkPlaces(set)); err != nil {
		return err
	}
	s.watermark.link = s.client.follow
	s.watermark.first = s.spec.Watermark.First != "" && s.spec.Paging.By != Since
	return nil
}

func (s *Source) compilePaging(set *pathSet) error {
	p := paging{spec: s.spec.Paging, link: s.client.follow}
	var errs [4]error
	p.next, errs[0] = set.body.add(p.spec.Next)
	p.more, errs[1] = set.body.test(p.spec.More)
	p.total, errs[2] = set.body.add(p.spec.Total)
	p.pages, errs[3] = set.body.add(p.spec.Pages)
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	p.fields, p.fronts = s.spec.Request.fields("last"), s.spec.Request.fields("first")
	var err error
	if p.slots, err = set.findAll(p.fields); err != nil {
		return err
	}
	if p.frontSlots, err = set.findAll(p.fronts); err != nil {
		return err
	}
	s.paging = p
	s.style, err = newStyle(p)
	return err
}

func (s *Source) layout(set *pathSet) decode.Layout {
	o := &s.client.owner
	return decode.Layout{At: set.at, Record: set.record, Body: set.body, MaxDepth: o.MaxDepth, MaxBytes: o.MaxBody}
}

// pathSet collects what is read of records and bodies.
type pathSet struct {
	at     decode.Path
	record []decode.Path
	body   places
	each   map[int]string
}

// add appends a path and returns its slot. A path each.NAME stands for a value
// of the partition; its slot is filled after decoding.
func (p *pathSet) add(text string) (int, error) {
	path, err := decode.ParsePath(text)
	if err != nil {
		return 0, err
	}
	p.record = append(p.record, path)
	slot := len(p.record) - 1
	if len(path) == 2 && path[0] == "each" && strings.HasPrefix(text, "each.") {
		p.each[slot] = path[1]
	}
	return slot, nil
}

// find returns the slot of a path, which it adds if it is not there.
func (p *pathSet) find(text string) (int, error) {
	path, err := decode.ParsePath(text)
	if err != nil {
		return 0, err
	}
	for slot, known := range p.record {
		if slices.Equal(known, path) {
			return slot, nil
		}
	}
	return p.add(text)
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

// fields are those of a placeholder such as {last.FIELD}, each once.
func (r *Request) fields(placeholder string) []string {
	var fields []string
	r.templates(func(t Template) {
		for _, p := range t {
			if p.Placeholder == placeholder && !slices.Contains(fields, p.Field) {
				fields = append(fields, p.Field)
			}
		}
	})
	return fields
}

// templates calls f with every text of the request.
func (r *Request) templates(f func(Template)) {
	f(r.Path)
	for _, p := range slices.Concat(r.Query, r.Later.Query) {
		for _, v := range p.Values {
			v.templates(f)
		}
	}
	for _, h := range r.Headers {
		f(h.Value)
	}
	if r.Body != nil {
		r.Body.templates(f)
	}
	for _, m := range r.Later.Body {
		m.Value.templates(f)
	}
}

func (v Value) templates(f func(Template)) {
	if v.Kind == Text {
		f(v.Text)
	}
	for _, item := range v.Items {
		item.templates(f)
	}
	for _, m := range v.Members {
		m.Value.templates(f)
	}
}
