package row

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// Misfit is a record that does not fit its table, and why.
type Misfit struct {
	// Key is a row's key if Readable, else a digest of the record.
	Key      string
	Readable bool
	// KeyValues are the values of the key's columns, if Readable.
	KeyValues []any
	// Column is the first column that does not fit, Reason what follows its
	// name in a sentence. It shows at most a short excerpt of the value. Column
	// is "" where it is the record as a whole: Where can not judge it.
	Column, Reason string
	// Record is a JSON object of the mapped fields by column, at most 16 KiB.
	// It is valid UTF-8 without U+0000: a value that is no valid text stands
	// as base64 under "COLUMN:base64"; the start of one that is too long under
	// "COLUMN:cut".
	Record string
}

// Why is what does not fit, in one sentence.
func (m Misfit) Why() string {
	if m.Column == "" {
		return m.Reason
	}
	return fmt.Sprintf("column %q %s", m.Column, m.Reason)
}

var (
	// ErrCut says that a record is not stored whole and so can not be
	// converted again.
	ErrCut = errors.New("record is longer than quarantine stores; a resync brings it back")
	// ErrTombstone says that a record in quarantine is a deletion, which
	// becomes no row.
	ErrTombstone = errors.New("record is a deletion whose key does not fit")
	// ErrUnjudged says that a record in quarantine can not be held against
	// Where again, which may look at fields that no column is read from.
	ErrUnjudged = errors.New("record could not be judged by the table's condition; a resync brings it back")
	// ErrUncomputed says that a record in quarantine lacks what a column would be
	// computed from: only what was computed is kept.
	ErrUncomputed = errors.New("record has a column that could not be computed; its next change or a resync brings it")
	// ErrLacking says that only the key of a record in quarantine is known.
	ErrLacking = errors.New("owner did not hand the record out; its next change or a resync brings it")
)

const (
	maxRecord      = 16 << 10
	markBase64     = ":base64"
	markCut        = ":cut"
	markTombstone  = ":deleted"
	markUnjudged   = ":unjudged"
	markLacking    = ":lacking"
	markUncomputed = ":uncomputed"
	markRemoved    = ":removed"
)

// digest names a record whose key can not be read. Sent again, it has the same
// name.
func digest(raws [][]byte, gone bool) string {
	h := sha256.New()
	var size [8]byte
	for _, raw := range raws {
		binary.LittleEndian.PutUint64(size[:], uint64(len(raw)))
		h.Write(size[:])
		h.Write(raw)
	}
	if gone {
		h.Write([]byte{1})
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)[:16])
}

// encodeRecord writes the texts that a record's columns were read from, or
// computed to, so that Retry can read them again, behind a mark of what it is
// where it cannot; "": it can.
func (s *Spec) encodeRecord(raws [][]byte, mark string) string {
	size := 0
	for i, raw := range raws {
		size += 2*len(raw) + 6*len(s.Columns[i].Name) + 16
	}
	b := []byte{'{'}
	if mark != "" {
		b = append(appendName(b, mark), "true"...)
	}
	for i, raw := range raws {
		if len(raw) == 0 {
			continue
		}
		before := len(b)
		b = s.appendField(b, i, raw)
		if len(b) <= maxRecord-64 {
			continue
		}
		b = appendCut(b[:before], s.Columns[i].Name, raw)
		if len(b) > maxRecord-64 {
			b = append(b[:before], `,":cut":true`...)
			break
		}
	}
	if len(b) > 1 && b[1] == ',' {
		b = append(b[:1], b[2:]...)
	}
	return string(append(b, '}'))
}

// encodeLacking writes the key of a record that the owner did not hand out.
func (s *Spec) encodeLacking(raws [][]byte) string {
	keys := make([][]byte, len(raws))
	for _, i := range s.Key {
		keys[i] = raws[i]
	}
	return s.encodeRecord(keys, markLacking)
}

// appendField writes one column with a comma before it.
func (s *Spec) appendField(b []byte, i int, raw []byte) []byte {
	name := s.Columns[i].Name
	if !showable(raw) {
		b = appendName(b, name+markBase64)
		b = append(b, '"')
		return append(base64.StdEncoding.AppendEncode(b, raw), '"')
	}
	return append(appendName(b, name), raw...)
}

// showable reports whether raw is a JSON value in valid UTF-8, escapes left
// aside.
func showable(raw []byte) bool {
	v := jsontext.Value(raw)
	return utf8.Valid(raw) && v.IsValid(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
}

// appendCut writes the start of a value that is too long.
func appendCut(b []byte, name string, raw []byte) []byte {
	const limit = 200
	start := strings.ToValidUTF8(string(raw[:min(len(raw), limit)]), "?")
	b, _ = jsontext.AppendQuote(appendName(b, name+markCut), start)
	return b
}

func appendName(b []byte, name string) []byte {
	b, _ = jsontext.AppendQuote(append(b, ','), name)
	return append(b, ':')
}

// Retry converts a record out of quarantine again: it answers with a row, which
// Removed says is to be deleted, or
// with why it still does not fit. A record that can not be read back is an
// error; ErrCut, ErrTombstone, ErrUnjudged, ErrUncomputed and ErrLacking are such.
func (s *Spec) Retry(record string) (Row, *Misfit, error) {
	raws, err := s.decodeRecord(record)
	if err != nil {
		return Row{}, nil, err
	}
	r := newReading(s)
	r.raws, r.values = raws, make([]any, len(s.Columns))
	if s.Partial {
		r.absent = s.absent(raws)
	}
	removed := strings.HasPrefix(record, `{"`+markRemoved+`":true`)
	if misfit := r.read(removed); misfit != nil {
		misfit.Record = record
		return Row{}, misfit, nil
	}
	return Row{Values: r.values, Key: string(r.key), Absent: r.absent, Removed: removed}, nil, nil
}

// decodeRecord reads what encodeRecord wrote. Members of columns that are no
// longer there are left out.
func (s *Spec) decodeRecord(record string) ([][]byte, error) {
	d := jsontext.NewDecoder(strings.NewReader(record), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, errors.New("read record: no JSON object")
	}
	raws := make([][]byte, len(s.Columns))
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		name := token.String()
		value, err := d.ReadValue()
		if err != nil {
			return nil, fmt.Errorf("read record: %w", err)
		}
		if err := s.place(raws, name, bytes.Clone(value)); err != nil {
			return nil, err
		}
	}
	if t, err := d.ReadToken(); err != nil || t.Kind() != '}' {
		return nil, errors.New("read record: object does not end")
	}
	if _, err := d.ReadToken(); err != io.EOF {
		return nil, errors.New("read record: more than one JSON value")
	}
	return raws, nil
}

// place puts one member of a record to its column.
func (s *Spec) place(raws [][]byte, name string, value []byte) error {
	if i := s.column(name); i >= 0 {
		raws[i] = value
		return nil
	}
	switch name {
	case markTombstone:
		return ErrTombstone
	case markUnjudged:
		return ErrUnjudged
	case markLacking:
		return ErrLacking
	case markUncomputed:
		return ErrUncomputed
	}
	if strings.HasSuffix(name, markCut) {
		return ErrCut
	}
	i := s.column(strings.TrimSuffix(name, markBase64))
	if i < 0 {
		return nil
	}
	text, err := unquote(value)
	if err == nil {
		raws[i], err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		return fmt.Errorf("read record: member %q: %w", name, err)
	}
	return nil
}

func (s *Spec) column(name string) int {
	for i := range s.Columns {
		if s.Columns[i].Name == name {
			return i
		}
	}
	return -1
}
