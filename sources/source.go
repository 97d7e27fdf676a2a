package sources

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
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
	format    decode.Format
	// everything is asked by a resync, where that is not asked as changes are;
	// before, where set, is asked ahead of it. lists says that a complete
	// resync has seen all that there is.
	everything *Source
	before     *before
	lists      bool
	dated      []int  // slots that tell how new a record is; none: nobody asks
	whole      bool   // a request of its own lists everything, whatever Initial is
	parts      string // digest of those parts
	epochs     epoch
	bounded    bool // the request has {until}
	untils     bool // it has, or that of an endpoint of what is gone
	// names are the fields of records that are read, and claimed those that the
	// source needs for itself, by whichever of its requests.
	names   []string
	claimed map[string]bool
	// form is what records come as other than plain objects of a list.
	form
}

// New compiles a spec. It sends nothing.
func New(c *Client, spec Spec) (*Source, error) {
	s := newSource(c, spec)
	c.redact.know(spec.secrets()...)
	for _, r := range spec.requests() {
		c.echoed.add(r.echoes())
	}
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
	return &Source{spec: spec, client: c, constants: map[int]string{}, deleted: -1, claimed: map[string]bool{}}
}

// follow resolves an owner's link for the source, without the secrets that the
// owner has repeated in it.
func (s *Source) follow(from *url.URL, link string) (*url.URL, error) {
	u, err := s.client.follow(from, link)
	if err == nil {
		conceal(u, s.spec.Request.echoes())
	}
	return u, err
}

func (s *Source) compile() error {
	switch s.spec.Mode {
	case Incremental, SnapshotAll, Delta, Log:
	default:
		return fmt.Errorf("unknown mode %q", s.spec.Mode)
	}
	s.spec.Paging.By = cmp.Or(s.spec.Paging.By, None)
	s.spec.Paging.MaxTime = cmp.Or(s.spec.Paging.MaxTime, 24*time.Hour)
	if s.spec.Request.Conditional && s.spec.Paging.By != None {
		return errors.New("conditional needs paging by \"none\": later pages may change while the first does not")
	}
	var err error
	if s.format, err = decode.FormatNamed(string(s.spec.Records.Format)); err != nil {
		return err
	}
	set, err := newPathSet(&s.spec.Records, s.constants)
	if err != nil {
		return err
	}
	for _, text := range s.spec.Paths {
		if _, err := set.add(text); err != nil {
			return err
		}
	}
	err = errors.Join(s.compileRecords(set), s.compilePaging(set), s.compileEpoch(set))
	if err == nil {
		err = s.checkBound()
	}
	if err != nil {
		return err
	}
	if err := s.compileForm(set); err != nil {
		return err
	}
	return s.compileAsking(set)
}

// compileAsking comes last: how the source asks, and what it reads of answers.
func (s *Source) compileAsking(set *pathSet) error {
	s.claim(set)
	layout, err := s.layout(set)
	if err != nil {
		return err
	}
	if s.hydrate == nil { // else what it fetches are the records
		layout.Unnamed = s.unnamed(set.inner)
	}
	if s.decoder, err = layout.Compile(); err != nil {
		return err
	}
	if s.asker, err = newAsker(s.client, s.spec.Request); err != nil {
		return err
	}
	s.asker.examine, s.asker.accept, s.asker.streamed = s.expired.examine(), s.format.Accept, s.streams()
	return nil
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
		if s.format.Texts {
			s.goneIf = asTexts(s.goneIf)
		}
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
	if err := s.compileNewest(set); err != nil {
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
	s.watermark.link, s.watermark.blank = s.follow, s.format.Texts
	s.watermark.first = s.spec.Watermark.First != "" && s.spec.Paging.By != Since
	return nil
}

func (s *Source) compilePaging(set *pathSet) error {
	p := paging{spec: s.spec.Paging, link: s.follow}
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

func (s *Source) layout(set *pathSet) (decode.Layout, error) {
	o := &s.client.owner
	l := decode.Layout{Format: s.format, At: set.at, As: decode.As(set.as), Record: set.record, Names: set.names, Body: set.body,
		Must: slices.Clone(set.own), MaxDepth: o.MaxDepth, MaxBytes: o.MaxBody}
	for slot, path := range s.spec.Paths {
		if !slices.Contains(s.spec.Optional, path) {
			l.Must = append(l.Must, slot)
		}
	}
	var err error
	if l.Separator, err = decode.Separator(s.spec.Records.Separator); err != nil {
		return l, fmt.Errorf("separator %q %w", s.spec.Records.Separator, err)
	}
	return l, nil
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
