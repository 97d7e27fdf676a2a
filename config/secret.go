package config

import (
	"errors"
	"fmt"
	"regexp"
)

const redacted = "[secret]"

// Secret is a value that shows itself nowhere: every way of printing or encoding it gives a fixed text.
// The zero value is a secret that was not given.
//
// The value hangs on a pointer because fmt passes Format by for a verb that does not suit a struct, such as %p.
type Secret struct{ of *hidden }

type hidden struct {
	value string
	again func() (string, error) // nil: the value stands in the config file
}

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{&hidden{value: value}} }

// Reveal returns the value. It is for the one place that sends it.
func (s Secret) Reveal() string {
	if s.of == nil {
		return ""
	}
	return s.of.value
}

// Again reads the secret anew from the file or the environment that it came from. One that stands in the config file
// stays as it is. The error does not repeat the value. It is safe for concurrent use.
func (s Secret) Again() (Secret, error) {
	if s.of == nil || s.of.again == nil {
		return s, nil
	}
	value, err := s.of.again()
	if err != nil {
		return Secret{}, err
	}
	return Secret{&hidden{value, s.of.again}}, nil
}

// unbraced is what a shell would take for a variable.
var unbraced = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_]*)$`)

// secret reads a text that is hidden and can be read anew. fits says what is wrong with a value, "" if nothing is; it
// may be nil.
func (r *reader) secret(n *node, fits func(string) string) Secret {
	text, ok := r.text(n)
	name := unbraced.FindStringSubmatch(n.text)
	if ok && fits != nil && (name == nil || n.kind != kindText) {
		if wrong := fits(text); wrong != "" {
			r.wrong(n, "%s", wrong)
		}
	}
	switch {
	case ok && n.kind == kindText && name != nil:
		r.wrong(n, "is a variable without braces, which would be sent as it stands; write \"${%s}\"", name[1])
	case ok && text == "" && r.again(n) != nil:
		r.wrong(n, "is empty where it is read from")
	}
	s := NewSecret(text)
	if read := r.again(n); read != nil {
		s.of.again = func() (string, error) {
			text, err := read()
			if err == nil && fits != nil {
				if wrong := fits(text); wrong != "" {
					err = errors.New("it " + wrong)
				}
			}
			return text, err
		}
	}
	return s
}

// IsZero reports whether there is no value to hide.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Equal compares the hidden values.
func (s Secret) Equal(other Secret) bool { return s.Reveal() == other.Reveal() }

// String hides the value.
func (s Secret) String() string { return redacted }

// GoString hides the value from %#v.
func (s Secret) GoString() string { return redacted }

// Format hides the value from every verb, those that know no strings too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText hides the value from encoders of text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON hides the value from encoders of JSON.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// Credential is a named value that is sent with every request: a header or a query parameter.
type Credential struct {
	Name  string
	Value Secret
}
