package row

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/larder-sync/larder/syncer"
)

// reading converts records one after another.
type reading struct {
	spec  *Spec
	isKey []bool
	// raws are the JSON texts of the record in hand, one a column, and values
	// what they are converted to.
	raws   [][]byte
	values []any
	// slots are what computed columns are computed from; nil: their raws are.
	slots [][]byte
	// key is the canonical key of the record in hand.
	key []byte
	// absent says which columns a partial record tells nothing of; nil: none.
	absent []bool
	// memo holds each column's last value: neighbours often are equal.
	memo []remembered
}

type remembered struct {
	raw   []byte
	value any
}

func newReading(s *Spec) *reading {
	r := &reading{
		spec:  s,
		isKey: make([]bool, len(s.Columns)),
		raws:  make([][]byte, len(s.Columns)),
		memo:  make([]remembered, len(s.Columns)),
	}
	for _, i := range s.Key {
		r.isKey[i] = true
	}
	return r
}

// begin takes a record in hand. What is computed of it is not computed yet.
func (r *reading) begin(slots [][]byte) {
	if r.slots = slots; slots == nil {
		r.slots = [][]byte{}
	}
	for i := range r.raws {
		r.raws[i] = r.spec.pick(i, slots)
	}
}

// judge is read for a record that has been held against Where: one that could
// not be judged is a misfit, of which only key and version are read.
func (r *reading) judge(gone bool, unjudged error) *Misfit {
	if unjudged == nil {
		return r.read(gone)
	}
	misfit := r.read(true)
	if misfit == nil {
		misfit = &Misfit{Reason: unjudged.Error()}
		r.identify(misfit, true, false)
	}
	return misfit
}

// read converts the record in hand, and of a tombstone no more than the key,
// and the version if it can be read. A misfit is answered without its Record;
// key and version of it are converted all the same where they can be.
func (r *reading) read(gone bool) *Misfit {
	var misfit *Misfit
	readable := true
	for i := range r.spec.Columns {
		if (gone || misfit != nil) && !r.isKey[i] && i != r.spec.Version {
			continue
		}
		err := r.column(i, gone)
		if err == nil {
			continue
		}
		readable = readable && !r.isKey[i]
		if misfit == nil {
			misfit = &Misfit{Column: r.spec.Columns[i].Name, Reason: err.Error()}
		}
	}
	r.key = r.spec.appendKey(r.key[:0], r.values)
	if readable && len(r.key) > maxKey {
		readable = false
		misfit = &Misfit{Column: r.spec.Columns[r.spec.Key[0]].Name, Reason: fmt.Sprintf("makes a key longer than %d bytes", maxKey)}
	}
	if misfit != nil {
		r.identify(misfit, readable, gone)
	}
	return misfit
}

// column converts one column of the record in hand.
func (r *reading) column(i int, gone bool) error {
	c := &r.spec.Columns[i]
	if r.absent != nil && r.absent[i] && !r.isKey[i] {
		return nil
	}
	if err := r.compute(i); err != nil {
		return err
	}
	raw, memo := r.raws[i], &r.memo[i]
	if gone && !r.isKey[i] {
		// A tombstone's version is the owner's or none, never the default.
		if kind := kindOf(raw); kind != nothing && kind != aNull {
			if v, err := c.convert(raw, false); err == nil {
				r.values[i] = v
			}
		}
		return nil
	}
	if len(raw) > 0 && string(memo.raw) == string(raw) {
		r.values[i] = memo.value
		return nil
	}
	read, err := r.prepare(i, trim(raw))
	if err != nil {
		return err
	}
	v, err := c.value(read, r.isKey[i])
	if err != nil {
		return err
	}
	r.values[i], *memo = v, remembered{raw, v}
	return nil
}

// identify gives a misfit its key, or a digest in its place.
func (r *reading) identify(m *Misfit, readable, gone bool) {
	if !readable {
		m.Key = digest(r.raws, gone)
		return
	}
	m.Key, m.Readable = string(r.key), true
	for _, i := range r.spec.Key {
		m.KeyValues = append(m.KeyValues, r.values[i])
	}
}

// KeyText is the canonical JSON array of a key's values, in the order of Key:
// what Row.Key is for a row that a database has read back.
func (s *Spec) KeyText(key []any) string {
	values := make([]any, len(s.Columns))
	for n, i := range s.Key {
		values[i] = key[n]
	}
	return string(s.appendKey(nil, values))
}

// maxKey is the most bytes of a key's JSON text: an entry of a Postgres index
// holds little more than 2,600.
const maxKey = 2048

// KeyOf is the Row.Key of a row with these values, of which only those of the
// key's columns are looked at.
func (s *Spec) KeyOf(values []any) string { return string(s.appendKey(nil, values)) }

// appendKey appends the canonical JSON array of the key's values.
func (s *Spec) appendKey(b []byte, values []any) []byte {
	b = append(b, '[')
	for n, i := range s.Key {
		if n > 0 {
			b = append(b, ',')
		}
		b = appendJSON(b, values[i])
	}
	return append(b, ']')
}

func appendJSON(b []byte, v any) []byte {
	quoted := ""
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return jsontext.AppendFloat(b, v, 64)
	case Decimal:
		return append(b, v...)
	case Document:
		return append(b, v...)
	case string:
		quoted = v
	case Day:
		quoted = string(v)
	case time.Time:
		quoted = v.UTC().Format("2006-01-02T15:04:05.000000Z")
	case []byte:
		quoted = base64.StdEncoding.EncodeToString(v)
	}
	b, _ = jsontext.AppendQuote(b, quoted) // converted text is valid UTF-8
	return b
}

// PartitionValues are the values of the columns that tell the rows of one
// partition from those of another, and the indexes of those columns.
func (s *Spec) PartitionValues(p syncer.Partition) (columns []int, values []any, err error) {
	for i := range s.Columns {
		c := &s.Columns[i]
		if c.Each == "" {
			continue
		}
		v, err := c.value(p.Value(c.Each), slices.Contains(s.Key, i))
		if err != nil {
			return nil, nil, fmt.Errorf("read partition value %q for column %q: it %w", c.Each, c.Name, err)
		}
		columns, values = append(columns, i), append(values, v)
	}
	return columns, values, nil
}

// KeyTells reports whether no row of another partition can have a key of p's,
// because every value of p stands in the key.
func (s *Spec) KeyTells(p syncer.Partition) bool {
	return !slices.ContainsFunc(p.Values, func(v syncer.PartitionValue) bool {
		return !slices.ContainsFunc(s.Key, func(i int) bool { return s.Columns[i].Each == v.Name })
	})
}

// Covers reports whether a configured partition has the same rows as p, because
// no column tells the two apart: it bears another name for what they have in
// common, as after a change of a parameter that no column holds.
func (s *Spec) Covers(p syncer.Partition) bool {
	_, of, err := s.PartitionValues(p)
	return err == nil && slices.ContainsFunc(s.Partitions, func(known syncer.Partition) bool {
		_, values, err := s.PartitionValues(known)
		return err == nil && reflect.DeepEqual(values, of)
	})
}
