package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// ownersClock is the owner's time, which tests move. It begins in the past, so
// that no owner is ahead of this machine.
type ownersClock struct {
	mu sync.Mutex
	at time.Time
}

func newOwnersClock() *ownersClock {
	return &ownersClock{at: time.Now().Add(-90 * 24 * time.Hour).Truncate(time.Hour)}
}

func (c *ownersClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *ownersClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// door stands before an owner: it lets in who has the right credentials, issues
// access tokens, and tells the owner's time.
type door struct {
	owner http.Handler
	clock *ownersClock // nil: the owner itself tells the time
	// wants is the header Authorization; empty where tokens are issued at
	// tokenPath, or nobody is asked.
	wants, tokenPath string
	// before, if set, is called before the owner is asked.
	before func()

	mu      sync.Mutex
	issued  int
	grants  []url.Values
	refused int
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.clock != nil {
		w.Header().Set("Date", d.clock.now().UTC().Format(http.TimeFormat))
	}
	if d.tokenPath != "" && r.URL.Path == d.tokenPath {
		d.issue(w, r)
		return
	}
	if !d.lets(r) {
		http.Error(w, `{"error":"unauthorized"}`, http.StatusUnauthorized)
		return
	}
	owner, before := d.behind()
	if before != nil {
		before()
	}
	owner.ServeHTTP(w, r)
}

// behind is what stands behind the door. An answer that was given up may still
// be under way when a test puts something else there.
func (d *door) behind() (owner http.Handler, before func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.owner, d.before
}

// put has another owner stand behind the door.
func (d *door) put(owner http.Handler) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owner = owner
}

// ahead has f called ahead of the owner; nil: nothing is.
func (d *door) ahead(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

func (d *door) lets(r *http.Request) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	wants := d.wants
	if d.tokenPath != "" {
		wants = fmt.Sprintf("Bearer access-%d", d.issued)
	}
	ok := wants == "" || r.Header.Get("Authorization") == wants
	if !ok {
		d.refused++
	}
	return ok
}

// issue answers with a token that is good until the next one is issued, or
// until it is revoked.
func (d *door) issue(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if r.ParseForm() != nil || !strings.HasPrefix(id, "value+of+") || !strings.HasPrefix(secret, "value+of+") {
		http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.issued++
	d.grants = append(d.grants, r.PostForm)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"access-%d","token_type":"Bearer","expires_in":3600}`, d.issued)
}

// once does something before the n-th request from here.
func once(n int, do func()) func() {
	var mu sync.Mutex
	asked := 0
	return func() {
		mu.Lock()
		defer mu.Unlock()
		if asked++; asked == n {
			do()
		}
	}
}

// revoke makes the owner refuse the token that it issued last.
func (d *door) revoke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.issued++
}

// granted are the grants that were asked for.
func (d *door) granted() []url.Values {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.grants)
}
