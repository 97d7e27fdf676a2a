package auth

import (
	"encoding/json"
	"net/http"
	"time"
)

// answer is the answer to a login.
type answer struct {
	resp *http.Response
	body any
}

// text is the text or number in a place. There is none where a null is.
func (a answer) text(p Place) (string, bool) {
	switch {
	case p.Header != "":
		text := a.resp.Header.Get(p.Header)
		return text, text != ""
	case p.Cookie != "":
		c := a.cookie(p.Cookie)
		if c == nil {
			return "", false
		}
		if c.Quoted {
			return `"` + c.Value + `"`, true
		}
		return c.Value, true
	}
	at := a.body
	for _, step := range p.Steps {
		switch below := at.(type) {
		case map[string]any:
			at = below[step.Name]
		case []any:
			if step.Index < 0 || step.Index >= len(below) {
				return "", false
			}
			at = below[step.Index]
		default:
			return "", false
		}
	}
	switch value := at.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	}
	return "", false
}

// cookie is the last cookie of that name; nil: there is none.
func (a answer) cookie(name string) *http.Cookie {
	var last *http.Cookie
	for _, c := range a.resp.Cookies() {
		if c.Name == name && c.MaxAge >= 0 {
			last = c
		}
	}
	return last
}

// cookieLife is how long a cookie lasts; 0: it does not say.
func (a answer) cookieLife(name string, now time.Time) time.Duration {
	c := a.cookie(name)
	switch {
	case c.MaxAge > 0:
		return min(time.Duration(min(c.MaxAge, 1<<30))*time.Second, longestLife)
	case !c.Expires.IsZero():
		return min(c.Expires.Sub(dated(a.resp.Header, now)), longestLife)
	}
	return 0
}
