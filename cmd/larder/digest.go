package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/larder-sync/larder/config"
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
	return digest(path, s.Request.Method, s.Request.Path.String(), queryText(s.Request.Query), s.Request.Body, queryText(s.Request.Later.Query), s.Request.Later.Body, s.Request.Later.Without,
		s.Records.At.Text, strings.Join(texts(s.Records.Key), "\n"), watermark)
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
