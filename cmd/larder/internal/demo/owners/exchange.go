package owners

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	usualPage = 100
	mostPage  = 200
	// deepest bounds page numbers and offsets, so that no product overflows.
	deepest = 1_000_000
)

// question reads the parameters of a request and keeps the first mistake.
// Strictness is for those who write a config against the demo: a misspelt
// parameter that is ignored looks like a feed that works.
type question struct {
	values url.Values
	known  []string
	err    error
}

func ask(r *http.Request) *question {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		err = errors.New("query is malformed")
	}
	return &question{values: values, err: err}
}

// text is a parameter's value, "" where it is not given.
func (q *question) text(name string) string {
	q.known = append(q.known, name)
	values := q.values[name]
	switch {
	case len(values) == 0:
		return ""
	case len(values) > 1:
		q.mistake("%s is given %d times", name, len(values))
	case values[0] == "":
		q.mistake("%s is empty", name)
	}
	return values[0]
}

// instant is an RFC 3339 parameter, the zero time where it is not given.
func (q *question) instant(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		q.mistake("%s is not an RFC 3339 time: %q", name, text)
	}
	return at
}

// millis is a parameter in Unix milliseconds, the zero time where it is not
// given.
func (q *question) millis(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		q.mistake("%s is not a time in Unix milliseconds: %q", name, text)
	}
	return time.UnixMilli(ms)
}

// count is a whole number from least to deepest.
func (q *question) count(name string, least, standard int) int {
	text := q.text(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > deepest {
		q.mistake("%s is not a number from %d to %d: %q", name, least, deepest, text)
		return standard
	}
	return n
}

// limit is a page size. One above the greatest is brought down to it, as
// public APIs do.
func (q *question) limit(name string) int { return min(q.count(name, 1, usualPage), mostPage) }

// degrees is a coordinate that must be given.
func (q *question) degrees(name string, most float64) float64 {
	text := q.text(name)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n >= -most && n <= most) { // NaN is no coordinate either
		q.mistake("%s is not a number from -%g to %g: %q", name, most, most, text)
	}
	return n
}

// mark is a cursor that we handed out, or start where it is not given.
func (q *question) mark(name string, start mark) mark {
	text := q.text(name)
	if text == "" {
		return start
	}
	m, ok := parseMark(text)
	if !ok {
		q.mistake("%s is not one that this feed has given", name)
	}
	return m
}

func (q *question) mistake(format string, args ...any) {
	if q.err == nil {
		q.err = fmt.Errorf(format, args...)
	}
}

// end is the first mistake, or a parameter that nobody asked for.
func (q *question) end() error {
	for name := range q.values {
		if !slices.Contains(q.known, name) {
			q.mistake("%q is not a parameter here; there are %s", name, strings.Join(q.known, ", "))
		}
	}
	return q.err
}

// token writes a mark as a cursor, opaque to the caller.
func (m mark) token() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", m.stamp.UnixMicro(), m.id))
}

func parseMark(token string) (mark, bool) {
	text, err := base64.RawURLEncoding.DecodeString(token)
	stamp, id, found := strings.Cut(string(text), ".")
	micros, stampErr := strconv.ParseInt(stamp, 10, 64)
	number, idErr := strconv.ParseInt(id, 10, 64)
	if err != nil || !found || stampErr != nil || idErr != nil {
		return mark{}, false
	}
	return mark{time.UnixMicro(micros).UTC(), number}, true
}

// reply writes v as JSON.
func reply(w http.ResponseWriter, status int, v any) {
	body, err := encode(v)
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller has gone: nobody is left to be told
}

// refuse answers with a reason.
func refuse(w http.ResponseWriter, status int, reason string) {
	reply(w, status, map[string]string{"error": reason})
}

// encode is v as JSON, with the & of links left as it is.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return body.Bytes(), err
}

// each turns the rows of a page into what goes over the wire. It is never
// nil: an empty page is an empty array.
func each[R, W any](page []row[R], wire func(row[R]) W) []W {
	out := make([]W, len(page))
	for i, r := range page {
		out[i] = wire(r)
	}
	return out
}

// stampMillis and stampMicros write a stamp with all digits of its tick.
func stampMillis(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }
func stampMicros(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }

// tombstone is when a row was deleted, nil while it lives.
func tombstone[R any](r row[R], stamp func(time.Time) string) *string {
	if !r.gone {
		return nil
	}
	at := stamp(r.stamp)
	return &at
}
