package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/larder-sync/larder/syncer/metadata"
)

const (
	// attemptTime bounds one attempt, from the name's resolution to the end of
	// the answer.
	attemptTime = 15 * time.Second
	// mostRead is how much of an answer is read: enough to say what is wrong.
	mostRead = 16 << 10
	// mostHeader bounds an answer's headers.
	mostHeader = 64 << 10
)

// errBlocked says that an address is none that alerts are sent to.
var errBlocked = errors.New("leads to a link-local address, where a cloud's machine finds its keys")

// sender posts to one address. It follows no redirects, which would hand the
// message to a stranger.
type sender struct {
	*hider
	address string
	client  *http.Client
	limit   time.Duration
	// authorization is the header of this name; "": none.
	authorization string
}

// newSender posts to an address of which all behind the host is secret; so are
// the texts that are given. carrier nil: one of its own.
func newSender(address string, carrier http.RoundTripper, secrets ...string) (*sender, error) {
	u, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	if carrier == nil {
		carrier = newCarrier()
	}
	return &sender{
		hider:   newHider(append(secrets, addressSecrets(u)...)...),
		address: u.String(),
		limit:   attemptTime,
		client: &http.Client{
			Transport:     carrier,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// parseAddress reads where a receiver listens. The error does not repeat it.
func parseAddress(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, wrong("url", "is none")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, wrong("url", "must be http://HOST or https://HOST")
	case u.User != nil:
		return nil, wrong("url", "must hold no user")
	case u.Fragment != "":
		return nil, wrong("url", "must hold no fragment")
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && metadata.Holds(ip) {
		return nil, &OptionError{"url", -1, errBlocked}
	}
	return u, nil
}

// readable reports whether others on the way could read what is sent there.
func readable(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "http" && !onThisMachine(u.Hostname())
}

// onThisMachine reports whether a host is this machine, whatever its resolver
// says.
func onThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// newCarrier dials no link-local address. Names are judged after they were
// resolved, so that none leads there.
func newCarrier() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            newDialer().DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // an answer that unpacks to gigabytes is none
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: mostHeader,
	}
}

func newDialer() *net.Dialer {
	return &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || metadata.Holds(at.Addr()) {
				return errBlocked
			}
			return nil
		},
	}
}

// post sends a body of JSON once, and returns what the receiver answered, for
// people, and the beginning of the body as it came, for us.
func (s *sender) post(ctx context.Context, header http.Header, body []byte) (answer string, raw []byte, err error) {
	return s.do(ctx, http.MethodPost, header, body)
}

func (s *sender) do(ctx context.Context, method string, header http.Header, body []byte) (answer string, raw []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.address, bytes.NewReader(body))
	if err != nil {
		return "", nil, s.ofCarriage("make request", err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "larder")
	if s.authorization != "" {
		r.Header.Set("Authorization", s.authorization)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	var way carriage
	resp, err := s.client.Do(r.WithContext(httptrace.WithClientTrace(ctx, way.trace())))
	if err != nil {
		e := s.ofCarriage("send", err)
		e.notTaken = way.none()
		return "", nil, e
	}
	defer func() { _ = resp.Body.Close() }()
	// A body that breaks off says no less about the status that came before it.
	raw, _ = io.ReadAll(io.LimitReader(resp.Body, mostRead))
	answer = s.line(fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	if text := s.line(string(raw)); text != "" {
		answer += ": " + text
	}
	return answer, raw, ofStatus(resp, answer)
}

// carriage is how far a request came: whether a connection was asked for, and
// whether there was one, by which it may have arrived.
type carriage struct{ asked, got atomic.Bool }

func (c *carriage) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{GetConn: func(string) { c.asked.Store(true) }, GotConn: func(httptrace.GotConnInfo) { c.got.Store(true) }}
}

// none says that nothing was sent for want of a connection: its name was not
// found, nobody listened, TLS did not come about.
func (c *carriage) none() bool { return c.asked.Load() && !c.got.Load() }

// retryAfter reads how long the receiver wants to be left alone: seconds, or a
// date, which is measured by the receiver's own clock where it tells it. Of
// several the longest counts; what is neither, or negative, says nothing.
func retryAfter(h http.Header) time.Duration {
	var longest time.Duration
	for _, field := range h.Values("Retry-After") {
		longest = max(longest, oneRetryAfter(strings.TrimSpace(field), h))
	}
	return longest
}

func oneRetryAfter(text string, h http.Header) time.Duration {
	if n, err := strconv.ParseFloat(text, 64); (err == nil || math.IsInf(n, 1)) && !math.IsNaN(n) {
		return seconds(n)
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return seconds(at.Sub(now).Seconds())
}

// seconds is a number of seconds, none of them negative, within a year.
func seconds(n float64) time.Duration {
	const year = 366 * 24 * 3600
	return time.Duration(math.Ceil(min(max(n, 0), year)*1e3)) * time.Millisecond
}
