package sources

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// leastSecret is how long a secret must be to be hidden: what is shorter stands
// in too many texts, which nobody could read any more, and is easily guessed.
const leastSecret = 4

// redactor takes secrets out of texts: all that are known of an owner, as they
// are and as URLs, JSON and our own quotes write them. It is safe for concurrent
// use.
type redactor struct {
	// changing lists those that come and go; nil: there are none.
	changing func() []string

	mu    sync.RWMutex
	known []string
	fixed *strings.Replacer // of known
}

// know adds secrets for good.
func (r *redactor) know(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.known = append(r.known, secrets...)
	r.fixed = newReplacer(r.known)
}

// Replace is s without any secret.
func (r *redactor) Replace(s string) string {
	r.mu.RLock()
	fixed := r.fixed
	r.mu.RUnlock()
	if fixed != nil {
		s = fixed.Replace(s)
	}
	if r.changing != nil {
		s = newReplacer(r.changing()).Replace(s)
	}
	return s
}

func newReplacer(secrets []string) *strings.Replacer {
	var forms []string
	for _, s := range secrets {
		if len(s) >= leastSecret {
			forms = append(forms, formsOf(s)...)
		}
	}
	// The longest first, so that no secret hides behind one that it begins with.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, "[secret]")
	}
	return strings.NewReplacer(pairs...)
}

// formsOf is how a secret may be written.
func formsOf(s string) []string {
	forms := []string{s}
	for _, escaped := range []string{url.QueryEscape(s), queryEscape(s), url.PathEscape(s), escapeOdd(s)} {
		forms = append(forms, escaped, lowerEscapes(escaped))
	}
	html, _ := json.Marshal(s) // no text fails to encode
	for _, quoted := range []string{string(html), string(quote(s)), strconv.Quote(s), strconv.QuoteToASCII(s)} {
		inner := quoted[1 : len(quoted)-1]
		forms = append(forms, inner, strings.ReplaceAll(inner, "/", `\/`))
	}
	return forms
}

// lowerEscapes writes %2F as %2f.
func lowerEscapes(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i:], bytes.ToLower(b[i:i+3]))
		}
	}
	return string(b)
}

// shown is a value of JSON as it may be shown: its texts are read before secrets
// are looked for, which an escape would hide.
func (r *redactor) shown(raw []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", fmt.Errorf("read what it says: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r.hidden(v)); err != nil {
		return "", fmt.Errorf("write what it says: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// hidden is a value without secrets.
func (r *redactor) hidden(v any) any {
	switch v := v.(type) {
	case string:
		return r.Replace(v)
	case []any:
		for i := range v {
			v[i] = r.hidden(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, member := range v {
			out[r.Replace(name)] = r.hidden(member)
		}
		return out
	}
	return v
}

// wrap bounds what an error shows. The chain below stays reachable for
// errors.Is and errors.As.
func (r *redactor) wrap(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if without := r.Replace(text); without != text {
		return &redacted{without, err}
	}
	return err
}

type redacted struct {
	text  string
	cause error
}

func (e *redacted) Error() string { return e.text }
func (e *redacted) Unwrap() error { return e.cause }
