package sources

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"time"

	"github.com/larder-sync/larder/syncer"
)

// longestValidator bounds what of an answer's headers is kept.
const longestValidator = 1 << 10

// validator is what makes a one-page answer conditional. It is kept as JSON
// text in each table's position.
type validator struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"`
	// Asked is a digest of the request: a validator says nothing of another.
	Asked string `json:"asked"`
}

func asked(q question) string {
	sum := sha256.New()
	sum.Write([]byte(q.method + " " + q.url.String() + "\n"))
	sum.Write(q.body)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// addValidator makes a question conditional where the position has a validator
// of it. A resync or an
// audit reads everything, whatever has not changed.
func (k *walk) addValidator(q *question) bool {
	if !k.spec.Request.Conditional {
		return false
	}
	k.asked = asked(*q)
	var v validator
	if k.w.Kind == syncer.Resync || k.w.Kind == syncer.Audit || json.Unmarshal([]byte(k.w.From.Validator), &v) != nil || v.Asked != k.asked {
		return false
	}
	if v.ETag != "" {
		q.header.Set("If-None-Match", v.ETag)
	}
	if v.Modified != "" {
		q.header.Set("If-Modified-Since", v.Modified)
	}
	return v.ETag != "" || v.Modified != ""
}

// validator is what the answer gives for the next walk; "" for nothing. That of
// a host to which the owner redirected says nothing to the owner.
func (k *walk) validator(h http.Header) string {
	if !k.spec.Request.Conditional || k.by < trusted {
		return ""
	}
	v := validator{ETag: h.Get("ETag"), Modified: h.Get("Last-Modified"), Asked: k.asked}
	if v.ETag == "" && !settled(h) {
		return ""
	}
	if v.ETag == "" && v.Modified == "" || len(v.ETag)+len(v.Modified) > longestValidator {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}

// settled reports whether Last-Modified alone can tell this answer from every
// later one. It counts whole seconds: what changes once more in the second in
// which it was read would be "not modified" for ever (RFC 9110, 8.8.2.2).
func settled(h http.Header) bool {
	const margin = time.Minute // for an answer that takes long to make
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	date, noDate := http.ParseTime(h.Get("Date"))
	return err == nil && noDate == nil && date.Sub(modified) >= margin
}
