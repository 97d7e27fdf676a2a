package decode

import "github.com/go-json-experiment/json/jsontext"

// Text returns the text of a slot that holds a scalar: a string without its
// quotes and escapes, a number or boolean as the owner wrote it. It reports
// false where the slot is absent or null. Broken text is an error and never
// repaired: the text may be a cursor or a key. The errors are ErrBrokenText and
// ErrNotScalar.
func Text(raw []byte) (string, bool, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", false, nil
	}
	switch raw[0] {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return "", false, ErrBrokenText
		}
		return string(text), true, nil
	case '{', '[':
		return "", false, ErrNotScalar
	}
	if !jsontext.Value(raw).IsValid() {
		return "", false, ErrNotScalar
	}
	return string(raw), true, nil
}
