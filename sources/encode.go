package sources

import (
	"fmt"
	"mime"
	"net/url"
	"strings"
)

// encodeQuery encodes what a query or a form holds. A parameter that is exactly
// one placeholder without a value is left out.
func encodeQuery(params []Param, plus bool, look values) (string, error) {
	escape := queryEscape
	if plus {
		escape = url.QueryEscape
	}
	var b strings.Builder
	for _, p := range params {
		for _, v := range p.Values {
			text, ok, err := v.scalar(look)
			if err != nil {
				return "", fmt.Errorf("parameter %q: %w", p.Name, err)
			}
			if !ok {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(escape(p.Name) + "=" + escape(text))
		}
	}
	return b.String(), nil
}

// isForm reports whether a body of this type holds parameters.
func isForm(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return err == nil && kind == "application/x-www-form-urlencoded"
}

// formOf is the members of a form as parameters: a list repeats one.
func formOf(members []Member) []Param {
	var all []Param
	for _, m := range members {
		p := Param{Name: m.Name, Values: []Value{m.Value}}
		if m.Value.Kind == List {
			p.Values = m.Value.Items
		}
		all = append(all, p)
	}
	return all
}

// pathSegment encodes a value for a path, slashes included.
func pathSegment(s string) (string, error) {
	if s == "" || s == "." || s == ".." {
		return "", fmt.Errorf("value %q cannot stand in a path", s)
	}
	return url.PathEscape(s), nil
}

// queryEscape encodes what stands left or right of an equals sign in a query.
// A space becomes %20, because not every owner reads a plus as one.
func queryEscape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

// escapeOdd escapes the bytes that can stand nowhere in a URL, and leaves what
// is escaped already as it is.
func escapeOdd(s string) string {
	const hex = "0123456789ABCDEF"
	odd := func(c byte) bool {
		return c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' || c == '`'
	}
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; odd(c) {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
