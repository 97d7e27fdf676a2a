package config

import "fmt"

const redacted = "[secret]"

// Secret is a value that shows itself nowhere: every way of printing or encoding it gives a fixed text.
// The zero value is a secret that was not given.
//
// The value hangs on a pointer because fmt passes Format by for a verb that does not suit a struct, such as %p.
type Secret struct{ value *string }

// NewSecret hides value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal returns the value. It is for the one place that sends it.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
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
