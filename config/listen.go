package config

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Heartbeat is a URL that is asked again and again while all is well.
type Heartbeat struct {
	URL   Secret
	Every time.Duration
	When  HeartbeatWhen
}

// HeartbeatWhen is while what the heartbeat goes on.
type HeartbeatWhen string

// As long as larder judges and remembers; or only while every copy is within its budget, too.
const (
	HeartbeatAlive    HeartbeatWhen = "alive"
	HeartbeatAllFresh HeartbeatWhen = "all_fresh"
)

// leastToken is how many characters a token has at least: shorter ones are guessed.
const leastToken = 16

// listen reads where metrics and nudges are, and who may read.
func (r *reader) listen(s section, into *Larder) {
	n, text, ok := s.given("listen")
	if ok {
		into.Listen, into.ListenSaid = text, text != defaultListen
	}
	if tokens := s.child("tokens"); tokens != nil {
		if own, ok := r.section(tokens); ok {
			if read := own.need("read", `read = "${LARDER_READ_TOKEN}"`); read != nil {
				into.ReadToken = r.fit(read, wrongToken)
			}
		}
		if ok && text == "" {
			r.wrong(tokens, "is for those who ask larder, and listen is empty; leave it out")
		}
	}
	if !ok || text == "" {
		return
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || portErr != nil || number == 0 || strings.ContainsAny(host, "/ "):
		r.wrong(n, `%s is no address; write "HOST:PORT", such as "127.0.0.1:8420", or "" for none`, r.shown(n))
	case !isLoopback(host) && !s.has("tokens"):
		r.wrong(n, `can be reached from other machines, which needs tokens; write tokens = { read = "${LARDER_READ_TOKEN}" }, or listen to 127.0.0.1`)
	}
}

func wrongToken(text string) string {
	if len(text) < leastToken || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return "must be at least " + strconv.Itoa(leastToken) + " characters of ASCII without spaces"
	}
	return ""
}

func (r *reader) heartbeat(n *node) *Heartbeat {
	h := defaultHeartbeat()
	s, ok := r.section(n)
	if !ok {
		return h
	}
	if url := s.need("url", `url = "https://hc-ping.com/…"`); url != nil {
		h.URL = r.secretURL(url, urlRules{})
		r.warnReadable(url, h.URL, "whoever is on the way can ask for it in larder's place")
	}
	s.duration("every", &h.Every)
	choose(s, "when", &h.When)
	return h
}

// urlRules are what a receiver's URL has to keep to besides being one.
type urlRules struct {
	guarded bool // it leaves this machine over https only
	noQuery bool
	bare    bool // no path either
}

// secretURL reads the URL of a receiver. It is a secret: who knows it can post there.
func (r *reader) secretURL(n *node, rules urlRules) Secret {
	return r.fit(n, func(text string) string {
		u, err := url.Parse(text)
		switch {
		case err != nil:
			return `does not parse as a URL; write "https://HOST/PATH"`
		case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
			return "must begin with https://HOST or http://HOST"
		case u.User != nil:
			return "holds a user, which is not sent; a webhook and an alertmanager may have auth = { basic = { user, password } }"
		case u.Fragment != "":
			return "holds a fragment, which is never sent; leave out what follows #"
		case (rules.noQuery || rules.bare) && (u.RawQuery != "" || u.ForceQuery):
			return "holds a query; leave out what follows ?"
		case rules.bare && strings.Trim(u.Path, "/") != "":
			return "holds a path; write the server alone, such as https://ntfy.sh"
		case rules.guarded && u.Scheme == "http" && !isLoopback(u.Hostname()):
			return "would carry a secret readable over http; use an https url"
		}
		return ""
	})
}

// warnReadable warns of a URL that is not protected on its way to another machine.
func (r *reader) warnReadable(n *node, address Secret, why string) {
	if u, err := url.Parse(address.Reveal()); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
		r.warn(n, "is http: %s; use https where the network is not yours alone", why)
	}
}

// fit reads a secret that has a form. Where nobody needs it, one from outside may have any.
func (r *reader) fit(n *node, fits func(string) string) Secret {
	if r.spares(n) && outside(n) {
		fits = nil
	}
	return r.secret(n, fits)
}
