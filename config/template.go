package config

import (
	"errors"
	"fmt"
	"strings"
)

// Template is a text with placeholders. It prints as it stands in the file, so a value from the
// environment prints as its ${NAME}.
type Template struct {
	Parts []Part
	text  string
}

// Part is a literal, or a placeholder: exactly one of both is set.
type Part struct {
	Literal     string
	Placeholder string // "since", "until", "now", "cursor", "page", "offset", "size", "last", "first", "each", "keys", "record"
	Field       Path   // of {last.FIELD}, {first.FIELD} and {record.FIELD}: a path in the record; of {each.NAME}: the name
	Outside     bool   // of a literal: it came from the environment or a file of its own, and is a secret
}

func (p Part) String() string {
	switch {
	case p.Placeholder == "":
		return p.Literal
	case p.Field.IsZero():
		return "{" + p.Placeholder + "}"
	}
	return "{" + p.Placeholder + "." + p.Field.Text + "}"
}

// IsZero reports whether the text is empty.
func (t Template) IsZero() bool { return len(t.Parts) == 0 }

// IsSingle reports whether the text is one placeholder and nothing else: such a value is left out while it
// has none, and keeps its own type in a body.
func (t Template) IsSingle() bool { return len(t.Parts) == 1 && t.Parts[0].Placeholder != "" }

// Literal returns the text of a template without placeholders.
func (t Template) Literal() (text string, ok bool) {
	var b strings.Builder
	for _, p := range t.Parts {
		if p.Placeholder != "" {
			return "", false
		}
		b.WriteString(p.Literal)
	}
	return b.String(), true
}

// Placeholders returns the parts that are placeholders, in order.
func (t Template) Placeholders() []Part {
	var ps []Part
	for _, p := range t.Parts {
		if p.Placeholder != "" {
			ps = append(ps, p)
		}
	}
	return ps
}

// String returns the text as it stands in the file.
func (t Template) String() string { return t.text }

// GoString hides what came from the environment or a file from %#v.
func (t Template) GoString() string { return fmt.Sprintf("%q", t.text) }

// Format prints the text as it stands in the file, whatever the verb.
func (t Template) Format(f fmt.State, verb rune) {
	if verb == 'q' || f.Flag('#') {
		_, _ = fmt.Fprintf(f, "%q", t.text)
		return
	}
	_, _ = f.Write([]byte(t.text))
}

// MarshalText writes the text as it stands in the file.
func (t Template) MarshalText() ([]byte, error) { return []byte(t.text), nil }

// literalTemplate is a value that is taken as it is, braces and all, and shown as the file shows it.
func literalTemplate(value, shown string) Template {
	if value == "" {
		return Template{text: shown}
	}
	return Template{Parts: []Part{{Literal: value}}, text: shown}
}

// secretTemplate is literalTemplate for a value that came from outside the file.
func secretTemplate(value, shown string) Template {
	t := literalTemplate(value, shown)
	for i := range t.Parts {
		t.Parts[i].Outside = true
	}
	return t
}

// placeholders are the known names; those with a dot take what follows it.
var placeholders = []string{
	"since", "until", "now", "cursor", "page", "offset", "size", "last.FIELD", "first.FIELD", "each.NAME", "keys", "record.FIELD",
}

// ParseTemplate reads a text with placeholders.
func ParseTemplate(text string) (Template, error) {
	t, mistakes := parseTemplate(text, placeholders)
	if len(mistakes) > 0 {
		return Template{}, errors.New(strings.Join(mistakes, "; "))
	}
	return t, nil
}

// parseTemplate reads the placeholders of text, of which these are known. The mistakes are told in the words of a config
// mistake.
func parseTemplate(text string, known []string) (t Template, mistakes []string) {
	t.text = text
	var literal strings.Builder
	flush := func() {
		if literal.Len() > 0 {
			t.Parts = append(t.Parts, Part{Literal: literal.String()})
			literal.Reset()
		}
	}
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			literal.WriteString(rest)
			break
		}
		literal.WriteString(rest[:i])
		rest = rest[i:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			literal.WriteByte(rest[0])
			rest = rest[2:]
			continue
		}
		end := strings.IndexByte(rest, '}')
		if end <= 0 || !isPlaceholderName(rest[1:end]) {
			mistakes = append(mistakes, fmt.Sprintf("a lone %q; write %q for a literal brace", rest[:1], rest[:1]+rest[:1]))
			rest = rest[1:]
			continue
		}
		p, mistake := parsePlaceholder(rest[1:end], known)
		if mistake != "" {
			mistakes = append(mistakes, mistake)
		}
		flush()
		t.Parts = append(t.Parts, p)
		rest = rest[end+1:]
	}
	flush()
	return t, mistakes
}

// isPlaceholderName reports whether the text between braces can be meant as a name.
func isPlaceholderName(name string) bool {
	return name != "" && !strings.ContainsAny(name, "{ \t\r\n:,")
}

// parsePlaceholder reads what stands between the braces. An unknown name is taken for the nearest one, so that
// a slip of the finger is not also told as a placeholder that is missing.
func parsePlaceholder(name string, all []string) (p Part, mistake string) {
	word, field, dotted := strings.Cut(name, ".")
	known := map[string]string{}
	var words []string
	for _, full := range all {
		w, _, _ := strings.Cut(full, ".")
		known[w] = full
		words = append(words, w)
	}
	takesField := strings.Contains(known[word], ".")
	switch {
	case takesField && dotted:
		path, err := ParsePath(field)
		if err != nil || word == "each" && len(path.Segments) != 1 {
			return Part{Placeholder: word}, fmt.Sprintf("placeholder {%s}: what follows the dot must be as in {%s}", name, known[word])
		}
		return Part{Placeholder: word, Field: path}, ""
	case known[name] == name:
		return Part{Placeholder: name}, ""
	}
	best := nearest(word, words)
	if best == "" {
		return Part{Placeholder: word}, fmt.Sprintf("unknown placeholder {%s}; known: {%s}", name, strings.Join(all, "} {"))
	}
	meant := known[best]
	if dotted && meant != best {
		meant = best + "." + field
	}
	return Part{Placeholder: best}, fmt.Sprintf("unknown placeholder {%s}; did you mean {%s}?", name, meant)
}
