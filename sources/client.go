package sources

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources/auth"
)

// Owner says how one owning service is spoken to. Zero fields take the
// defaults that stand beside them.
type Owner struct {
	Name string
	// URL is the base: http or https, without user, query and fragment.
	URL     string
	Auth    auth.Authenticator // nil: none
	Headers map[string]string
	// Rate is requests a second over all sources of the owner; 0: no bound.
	Rate        float64
	Burst       int // 1
	Concurrency int // 2: requests at one time
	// Budget bounds rate and concurrency together with other owners; nil: one of
	// the client's own, of Rate, Burst and Concurrency.
	Budget *Budget
	Quota  Quota
	TLS    TLS // of a Transport of the client's own
	// Hosts are where links and redirects may lead besides URL's origin.
	Hosts    []Host
	Timeout  time.Duration // 30s: one attempt, body included
	Retry    Retry
	MaxBody  int64 // 64 MiB, decompressed
	MaxDepth int   // 512
	// Log hears of each request at debug, without queries and credentials. It
	// should carry the owner's name.
	Log zerolog.Logger
	// Observer counts requests; nil: nobody does.
	Observer Observer
	// Transport carries the requests; nil: one of the client's own, which
	// refuses link-local addresses.
	Transport http.RoundTripper
}

// Retry is how a request is tried again.
type Retry struct {
	Attempts int           // 5, the first one included
	Min, Max time.Duration // 1s, 1m: the wait between attempts
	Status   []int         // 408, 425, 429, 500, 502, 503, 504
}

// Client speaks to one owner. All sources of the owner share it: its rate, its
// bound on concurrency, its quota and its connections. It is safe for concurrent
// use.
type Client struct {
	owner     Owner
	base      *url.URL
	origin    origin
	hosts     hosts
	budget    *Budget
	quota     *quota
	gate      gate
	unpackers unpackers
	pages     *http.Client
	redact    redactor
	echoed    echoed
	clock     ownerClock
}

// NewClient makes the client of an owner. It sends nothing.
func NewClient(o Owner) (*Client, error) {
	base, err := parseBase(o.URL)
	if err != nil {
		return nil, fmt.Errorf("read url of owner %q: %w", o.Name, err)
	}
	o.setDefaults()
	c := &Client{owner: o, base: base, origin: originOf(base), budget: o.Budget}
	c.hosts = hosts{origin: c.origin, allowed: o.Hosts, hide: c.redact.Replace}
	c.redact.know(o.secrets()...)
	if o.Auth != nil {
		c.redact.changing = o.Auth.Secrets
	}

	if c.quota, err = c.owner.compileQuota(); err != nil {
		return nil, fmt.Errorf("owner %q: %w", o.Name, err)
	}
	if c.budget == nil {
		c.budget = NewBudget(o.Rate, o.Burst, o.Concurrency)
	}
	c.gate.say = func(until time.Time) {
		o.Log.Info().Str("owner", o.Name).Time("until", until).Msg("waits until the owner takes requests again, as its quota or Retry-After says")
	}
	pages := attempts{Client: c, base: o.Transport}
	if pages.base == nil {
		pages.base = &carrier{hosts: c.hosts, tls: o.TLS, concurrency: o.Concurrency, log: o.Log}
	}
	c.pages = &http.Client{Transport: &pages, CheckRedirect: c.checkRedirect}
	return c, nil
}

func (o *Owner) setDefaults() {
	o.Burst = max(o.Burst, 1)
	o.Concurrency = cmp.Or(max(o.Concurrency, 0), 2)
	o.Timeout = cmp.Or(max(o.Timeout, 0), 30*time.Second)
	o.MaxBody = cmp.Or(max(o.MaxBody, 0), 64<<20)
	o.MaxDepth = cmp.Or(max(o.MaxDepth, 0), 512)
	o.Retry.Attempts = cmp.Or(max(o.Retry.Attempts, 0), 5)
	o.Retry.Min = cmp.Or(max(o.Retry.Min, 0), time.Second)
	o.Retry.Max = max(cmp.Or(max(o.Retry.Max, 0), time.Minute), o.Retry.Min)
	if o.Retry.Status == nil {
		o.Retry.Status = []int{408, 425, 429, 500, 502, 503, 504}
	}
}

// secrets lists what may be shown nowhere: the values of headers, but for who we
// say we are. The credentials tell theirs themselves.
func (o *Owner) secrets() []string {
	var all []string
	for name, value := range o.Headers {
		if !strings.EqualFold(name, "User-Agent") {
			all = append(all, value)
		}
	}
	return all
}

// parseBase reads an owner's URL. The error does not repeat it: it may hold a
// password.
func parseBase(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, fmt.Errorf("not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("must be http://HOST or https://HOST")
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("must hold no user, query or fragment")
	}
	return u, nil
}

// echoed are the parameters with secrets of all sources of an owner. It is safe
// for concurrent use.
type echoed struct {
	mu  sync.RWMutex
	all []echo
}

func (e *echoed) add(more []echo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, more...)
}

// withhold takes them out of what a stranger is asked.
func (e *echoed) withhold(u *url.URL) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if len(e.all) > 0 {
		withhold(u, e.all)
	}
}

// follow resolves an owner's link, without the credentials that the owner may
// have echoed in it.
func (c *Client) follow(from *url.URL, link string) (*url.URL, error) {
	u, err := c.hosts.follow(from, link)
	if err == nil && c.owner.Auth != nil {
		c.owner.Auth.Strip(u)
	}
	return u, err
}

// checkRedirect keeps redirects where links may lead. One that would change the
// method would drop the request's body with it.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return blockedError("more than %d redirects", maxRedirects)
	}
	if r.Method != via[0].Method {
		return blockedError("redirect changes %s to %s", via[0].Method, r.Method)
	}
	r.URL.Fragment, r.URL.RawFragment = "", "" // ofStranger is ours to say
	if err := c.hosts.admit(via[len(via)-1].URL, r.URL); err != nil {
		return fmt.Errorf("follow redirect: %w", err)
	}
	return nil
}
