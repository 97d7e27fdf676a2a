package row

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Record writes a row's values back as a record that Retry reads, for a row
// that fits its columns and that the database refuses all the same.
func (s *Spec) Record(values []any) string {
	return s.encodeRecord(s.raws(values), "")
}

// RecordRemoved is Record for a deletion that the database refuses: Retry reads
// it as one.
func (s *Spec) RecordRemoved(values []any) string {
	return s.encodeRecord(s.raws(values), markRemoved)
}

func (s *Spec) raws(values []any) [][]byte {
	raws := make([][]byte, len(values))
	for i, v := range values {
		raws[i] = s.Columns[i].raw(v)
	}
	return raws
}

// raw is the JSON text of a value, nil for null.
func (c *Column) raw(v any) []byte {
	text := ""
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return strconv.AppendBool(nil, v)
	case int64:
		return strconv.AppendInt(nil, v, 10)
	case float64:
		return strconv.AppendFloat(nil, v, 'g', -1, 64)
	case Decimal:
		return []byte(v)
	case Document:
		return []byte(v)
	case time.Time:
		text = c.writeInstant(v)
	case Day:
		text = string(v)
	case []byte:
		text = base64.StdEncoding.EncodeToString(v)
	case string:
		text = v
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return nil // a row's texts are valid UTF-8, which always can be quoted
	}
	return quoted
}

// writeInstant writes an instant so that the column reads the same one again.
func (c *Column) writeInstant(v time.Time) string {
	const plain = "2006-01-02T15:04:05.000000Z"
	if c.As == nil {
		return v.UTC().Format(plain)
	}
	s := StampAt(v)
	for _, sample := range []string{plain, "0.000000"} {
		text := c.As.RenderLike(s, sample)
		if back, err := c.As.ParseText(text); err == nil && back == s {
			return text
		}
	}
	return c.As.Render(s)
}
