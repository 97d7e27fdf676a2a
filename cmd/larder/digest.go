package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/syncer"
)

// digest shortens what shapes an answer.
func digest(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		b = []byte(fmt.Sprint(parts...))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// sourceDigest covers what shapes a source's answers and their reading. Host,
// credentials, sizes, schedules and rates change nothing, nor does how everything
// is asked for.
func sourceDigest(s *config.Source) string {
	path := s.Owner.URL
	if u, err := url.Parse(s.Owner.URL); err == nil {
		path = u.Path
	}
	watermark := []string{}
	if w := s.Watermark; w != nil {
		watermark = append(texts(w.Fields), w.Place.String(), w.Format.String(), w.Format.Zone)
		if w.Opaque != "" {
			watermark = append(watermark, string(w.Opaque))
		}
		watermark = append(watermark, positionOf(w)...)
	}
	parts := []any{path, s.Request.Method, s.Request.Path.String(), queryText(s.Request.Query), s.Request.Body, queryText(s.Request.Later.Query), s.Request.Later.Body, s.Request.Later.Without,
		s.Records.At.Text, strings.Join(texts(s.Records.Key), "\n"), watermark}
	parts = append(parts, writingOf(s.Request)...)
	return digest(append(parts, readingOf(s.Records)...)...)
}

// writingOf is how a request is written, as far as it is not the plain way. A
// GraphQL document and its variables are the body.
func writingOf(q config.Request) []any {
	var parts []any
	if q.IsForm() {
		parts = append(parts, []any{"form"})
	}
	if q.Plus {
		parts = append(parts, []any{"space", "+"})
	}
	return parts
}

// readingOf is how records are read, as far as it is not the plain way: so that
// what was added to the configuration's words voids no position.
func readingOf(r config.Records) []any {
	var parts []any
	add := func(name string, given bool, values ...any) {
		if given {
			parts = append(parts, append([]any{name}, values...))
		}
	}
	add("as", r.As != config.AsArray, r.As)
	add("unwrap", !r.Unwrap.IsZero(), r.Unwrap.Text)
	add("partial", r.Partial)
	add("csv", r.Format == config.CSV)
	add("separator", r.Separator != "" && r.Separator != ",", r.Separator)
	if h := r.Hydrate; h != nil {
		add("hydrate", true, h.Request.Method, h.Request.Path.String(), queryText(h.Request.Query), h.Request.Body, h.At.Text)
	}
	return parts
}

// columnDigest covers what a column holds. Of one without a type the rest is
// known once its table was looked at.
func columnDigest(c config.Column) string {
	parts := []any{c.Name, texts(c.From), c.Type.String(), c.As.String(), c.As.Zone, c.Default}
	if c.Expr != "" {
		parts = append(parts, "expr", c.Expr)
	}
	if c.Inner {
		parts = append(parts, "json")
	}
	return digest(parts...)
}

// choices are the digests of what decides which records are rows of a table, and
// for how long. They are the table's: other tables of its source are not asked
// for again. otherChoices reads them back.
func choices(t *config.Table) []string {
	var out []string
	if t.Where != "" {
		out = append(out, digest("where", t.Where))
	}
	if t.Text != config.TextReject {
		out = append(out, digest("text", t.Text))
	}
	if t.OnDelete != config.OnDeleteDelete {
		out = append(out, digest(string(t.OnDelete)))
	}
	return out
}

// otherChoices says which choices of a held shape are not those of the wanted
// one, and what that deletes. What is no word of text or
// on_delete is a where.
func otherChoices(held, wanted string) string {
	was, want := syncer.ShapeChoices(held), syncer.ShapeChoices(wanted)
	where := func(d string) bool {
		return !slices.Contains(textChoices(), d) && !slices.Contains(onDeleteChoices(), d)
	}
	among := func(known []string) func(string) bool {
		return func(d string) bool { return slices.Contains(known, d) }
	}
	var other []string
	for _, c := range []struct {
		key string
		is  func(string) bool
	}{{"where", where}, {"on_delete", among(onDeleteChoices())}, {"text", among(textChoices())}} {
		old, new := slices.IndexFunc(was, c.is), slices.IndexFunc(want, c.is)
		if (old < 0) != (new < 0) || old >= 0 && was[old] != want[new] {
			other = append(other, c.key)
		}
	}
	says := strings.Join(other, " and ") + " is another"
	if slices.Contains(other, "where") {
		says += "; rows that it takes no more are deleted under the guard"
	}
	return says
}

func textChoices() []string {
	return []string{digest("text", config.TextStrip), digest("text", config.TextReplace)}
}

func onDeleteChoices() []string {
	return []string{digest(string(config.OnDeleteMark)), digest(string(config.OnDeleteKeep))}
}

// positionOf is the field of a log's events that is their position.
func positionOf(w *config.Watermark) []string {
	switch {
	case !w.Last.IsZero():
		return []string{"last:" + w.Last.Text}
	case !w.First.IsZero():
		return []string{"first:" + w.First.Text}
	}
	return nil
}

// queryText leaves the size of pages out: it shapes no record.
func queryText(query []config.Param) []string {
	var out []string
	for _, q := range query {
		for _, v := range q.Values {
			if v.Kind == config.Text && v.Text.IsSingle() && v.Text.Parts[0].Placeholder == "size" {
				continue
			}
			out = append(out, q.Name+"="+digest(v.Text.String(), v))
		}
	}
	return out
}
