package sources

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Host is where links and redirects may lead besides the owner's origin.
type Host struct {
	// Host is a name or an address, with a port or without one: then the
	// scheme's own is meant.
	Host string
	// Credentials says that requests there carry what those to the origin
	// carry: credentials, headers, bodies and the client's certificate.
	Credentials bool
}

// reach is how far the owner's credentials go.
type reach int

const (
	nowhere  reach = iota // nobody is asked there
	stranger              // asked without anything of the owner's
	trusted               // asked with its credentials
	home                  // the owner's origin
)

// hosts is where requests may go.
type hosts struct {
	origin  origin
	allowed []Host
	// hide takes secrets out of what an error shows; nil: there are none.
	hide func(string) string
}

// of is how far an origin is trusted.
func (h hosts) of(o origin) reach {
	if o == h.origin {
		return home
	}
	if o.scheme != "https" && (o.scheme != "http" || h.origin.scheme == "https") {
		return nowhere
	}
	found := nowhere
	for _, a := range h.allowed {
		name, port, err := net.SplitHostPort(a.Host)
		if err != nil {
			name, port = strings.Trim(a.Host, "[]"), defaultPort(o.scheme)
		}
		if strings.EqualFold(name, o.host) && port == o.port {
			found = max(found, stranger)
			if a.Credentials {
				found = trusted
			}
		}
	}
	return found
}

// ofStranger is the fragment of a link that stood in a stranger's page. Owners'
// own fragments are dropped, and none is ever sent.
const ofStranger = "stranger"

// url is how far a request to u is trusted.
func (h hosts) url(u *url.URL) reach {
	to := h.of(originOf(u))
	if u.Fragment == ofStranger {
		to = min(to, stranger)
	}
	return to
}

// request is how far a request is trusted. One to which a stranger redirects is
// the stranger's: it carries nothing of the owner's, wherever it leads. So is
// one by a stranger's link.
func (h hosts) request(r *http.Request) reach {
	to := h.url(r.URL)
	for by := r.Response; by != nil && by.Request != nil; by = by.Request.Response {
		to = min(to, max(h.url(by.Request.URL), stranger))
	}
	return to
}

// dated is the header of an answer, with no Date but the owner's own: of an
// answer to which the owner redirected, that of the redirect, or none. took grows
// by how long the owner took until then.
func (h hosts) dated(resp *http.Response, took *time.Duration) http.Header {
	if h.request(resp.Request) == home {
		return resp.Header
	}
	header := resp.Header.Clone()
	header.Del("Date")
	for by := resp.Request.Response; by != nil && by.Request != nil; by = by.Request.Response {
		date := by.Header.Get("Date")
		if h.request(by.Request) != home || date == "" {
			continue
		}
		header.Set("Date", date)
		if b, ok := by.Body.(*attemptBody); ok {
			*took = max(*took, b.took)
		}
		break
	}
	return header
}

// admit refuses URLs that lead where nobody is asked. from is where the link
// stood.
func (h hosts) admit(from, u *url.URL) error {
	switch {
	case u.User != nil:
		return blockedError("link names a user")
	case from.Scheme == "https" && u.Scheme != "https", h.origin.scheme == "https" && u.Scheme == "http":
		return blockedError("link leads away from https")
	case h.of(originOf(u)) == nowhere:
		return blockedError("link leads away from the owner's origin to %q; allow_hosts can allow it", h.shortened(u.Host))
	}
	return nil
}

// shortened is a host as an error shows it. What is cut may end within a secret,
// so that secrets go first.
func (h hosts) shortened(host string) string {
	const limit = 80
	if h.hide != nil {
		host = h.hide(host)
	}
	if len(host) > limit {
		return host[:limit] + "…"
	}
	return host
}

// follow resolves an owner's link against the URL it came from. The link goes
// on as it is written, but for bytes that no URL may hold. It is trusted no
// further than the page it stood on. Without from it is one that followed before.
func (h hosts) follow(from *url.URL, link string) (*url.URL, error) {
	if len(link) > longestURL {
		return nil, blockedError("link is longer than %d bytes", longestURL)
	}
	ref, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return nil, blockedError("link is not a URL")
	}
	u := from.ResolveReference(ref)
	known := from.Host == "" && u.Fragment == ofStranger
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = escapeOdd(u.RawQuery)
	if err := h.admit(from, u); err != nil {
		return nil, err
	}
	if known || from.Host != "" && h.url(from) <= stranger && h.url(u) > stranger {
		u.Fragment = ofStranger
	}
	return u, nil
}

// withoutOwner is the headers that a stranger may see: none that the
// configuration gives may hold a secret there, but for who we say we are.
func withoutOwner(h http.Header) http.Header {
	out := make(http.Header)
	for _, name := range []string{"User-Agent", "Accept", "Accept-Encoding", "Cache-Control"} {
		if v := h.Values(name); len(v) > 0 {
			out[name] = v
		}
	}
	return out
}
