package sources

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

const (
	// longestWrong bounds how many characters of an owner's words are shown.
	longestWrong = 300
	// mostWrong bounds what is read of an owner's words, in bytes. Of more none is
	// shown: what is cut may end within a secret.
	mostWrong = 1 << 20
)

// throttled says that the owner wants to be left alone, in an answer whose
// status does not.
type throttled struct {
	failure
	at time.Time
}

// RetryAt is the moment before which asking again makes no sense; zero if the
// owner does not say.
func (t *throttled) RetryAt() time.Time { return t.at }

// wrong is what an answer that has something at a place for errors comes to;
// nil where it has nothing there. What the owner says is shown without secrets,
// bounded and quoted.
func (r *redactor) wrong(at place, header http.Header, body [][]byte) error {
	if !at.set() {
		return nil
	}
	raw := at.in(header, body)
	if empty(raw) {
		return nil
	}
	said := r.hear(raw)
	text := []rune(r.Replace(unescaped(said.text)))
	shown := string(text)
	if len(text) > longestWrong {
		shown = string(text[:longestWrong]) + "…"
	}
	f := failure{class: said.class(), text: fmt.Sprintf("answer has something at %q: %q", at, shown)}
	if said.others > 0 {
		f.text += fmt.Sprintf(" and %d more", said.others)
	}
	if f.class != syncer.ClassRateLimited {
		return &f
	}
	t := &throttled{failure: f}
	if wait, ok := retryAfter(header); ok {
		t.at = time.Now().Add(min(wait, longestRetryAfter))
	}
	return t
}

// words are what an owner says went wrong: a text for people, and one for
// programs.
type words struct {
	text, code string
	others     int
}

// escapes of JSON that stand for letters of ASCII, of a text within a text.
var escapes = regexp.MustCompile(`\\u00[2-7][0-9A-Fa-f]|\\/`)

// unescaped is what an owner says with JSON in its text made readable, so that
// no escape hides a secret.
func unescaped(s string) string {
	return escapes.ReplaceAllStringFunc(s, func(escape string) string {
		if code, err := strconv.ParseUint(escape[2:], 16, 8); err == nil {
			return string(rune(code))
		}
		return "/"
	})
}

// hear finds the words in a text, in an object as GraphQL and most others write
// it, or in the first of a list of these.
func (r *redactor) hear(raw []byte) words {
	if len(raw) > mostWrong {
		return words{text: fmt.Sprintf("(%d bytes, which are too many to be shown)", len(raw))}
	}
	if text, ok, err := decode.Text(raw); ok && err == nil {
		return words{text: text, code: text}
	}
	var list []json.RawMessage
	if raw[0] == '[' && json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		first := r.hear(list[0])
		first.others = len(list) - 1
		return first
	}
	var said words
	var members struct {
		Message, Type, Code any
		Extensions          struct{ Code any }
	}
	_ = json.Unmarshal(raw, &members) // what is of another type says nothing
	for _, code := range []any{members.Extensions.Code, members.Type, members.Code} {
		if text, ok := code.(string); ok && said.code == "" {
			said.code = text
		}
	}
	if text, ok := members.Message.(string); ok && text != "" {
		said.text = text
		return said
	}
	var err error
	if said.text, err = r.shown(raw); err != nil {
		said.text = "(what cannot be shown)"
	}
	return said
}

// class tells throttling and refused credentials from the rest, by the codes
// that owners use for them.
func (w words) class() syncer.Class {
	letters := func(c rune) rune {
		if !unicode.IsLetter(c) {
			return -1
		}
		return unicode.ToLower(c)
	}
	if len(w.code) > 64 {
		return syncer.ClassAnswer
	}
	switch strings.Map(letters, w.code) {
	case "ratelimited", "ratelimit", "ratelimitexceeded", "throttled", "toomanyrequests":
		return syncer.ClassRateLimited
	case "unauthenticated", "unauthorized", "forbidden", "accessdenied", "invalidauth", "notauthed":
		return syncer.ClassAuth
	}
	return syncer.ClassAnswer
}
