package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind is how a nudge proves that it is genuine.
type Kind string

// The kinds: Standard Webhooks 1.0, a bearer token, GitHub's
// X-Hub-Signature-256, and Stripe's Stripe-Signature.
const (
	Standard Kind = "standard"
	Bearer   Kind = "bearer"
	GitHub   Kind = "github"
	Stripe   Kind = "stripe"
)

// tolerance is how far a signature's own time may be from ours, where it has
// one: what was listened to cannot be sent again after it.
const tolerance = 5 * time.Minute

// refusal is why a nudge is not taken for genuine. It goes to whoever sent it,
// so it says nothing of what would be right.
type refusal string

func (r refusal) Error() string { return string(r) }

// claim is what one request says of itself, to be held against its body. It is
// hashed while it is read, once for each secret, so that no flood of large
// bodies takes memory.
type claim struct {
	known  bool // by its headers alone
	macs   []hash.Hash
	shown  [][]byte
	buffer [4 << 10]byte
}

// read takes the body to its end.
func (c *claim) read(body io.Reader) error {
	for {
		n, err := body.Read(c.buffer[:])
		for _, m := range c.macs {
			m.Write(c.buffer[:n])
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// holds compares each signature with that by each secret, in constant time.
func (c *claim) holds() bool {
	right := c.known
	for _, m := range c.macs {
		sum := m.Sum(nil)
		for _, s := range c.shown {
			right = hmac.Equal(sum, s) || right
		}
	}
	return right
}

// claimer reads the claim out of a request's headers; a refusal says that there
// is none that could hold.
type claimer func(http.Header, time.Time) (*claim, error)

// keys are the secrets of a nudge as HMAC takes them.
type keys [][]byte

// begin starts to hash what begins with the texts.
func (k keys) begin(shown [][]byte, texts ...string) *claim {
	c := &claim{shown: shown}
	for _, key := range k {
		m := hmac.New(sha256.New, key)
		for _, t := range texts {
			_, _ = io.WriteString(m, t)
		}
		c.macs = append(c.macs, m)
	}
	return c
}

// claimerOf makes the claimer of a kind. Its error repeats no secret.
func claimerOf(kind Kind, secrets []string) (claimer, error) {
	var k keys
	for _, s := range secrets {
		key := []byte(s)
		if kind == Standard {
			var err error
			if key, err = base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_")); err != nil {
				return nil, errors.New("secret of kind standard must be whsec_ and base64")
			}
		}
		if len(key) == 0 {
			return nil, errors.New("secret is empty")
		}
		k = append(k, key)
	}
	if len(k) == 0 {
		return nil, errors.New("has no secret")
	}
	switch kind {
	case Standard:
		return k.standard, nil
	case GitHub:
		return k.github, nil
	case Stripe:
		return k.stripe, nil
	case Bearer:
		return tokenOf(secrets...).bearer, nil
	}
	return nil, fmt.Errorf("kind %q is not known: standard, bearer, github or stripe", kind)
}

func (t token) bearer(h http.Header, _ time.Time) (*claim, error) {
	if !t.shown(h) {
		return nil, refusal("bearer token is missing or wrong")
	}
	return &claim{known: true}, nil
}

// github reads "sha256=HEX" over the body.
func (k keys) github(h http.Header, _ time.Time) (*claim, error) {
	text, ok := strings.CutPrefix(h.Get("X-Hub-Signature-256"), "sha256=")
	sum, err := hex.DecodeString(text)
	if !ok || err != nil || len(sum) != sha256.Size {
		return nil, refusal("X-Hub-Signature-256 is missing or is not sha256= and 64 hex digits")
	}
	return k.begin([][]byte{sum}), nil
}

// standard reads "v1,BASE64 v1,BASE64 …" over ID.TIME.BODY. Neither ID nor TIME
// may hold a full stop, or one signature would be of several messages.
func (k keys) standard(h http.Header, now time.Time) (*claim, error) {
	id, at := h.Get("Webhook-Id"), h.Get("Webhook-Timestamp")
	if id == "" || strings.Contains(id, ".") {
		return nil, refusal("webhook-id is missing or has a full stop in it")
	}
	if err := inTime("webhook-timestamp", at, now); err != nil {
		return nil, err
	}
	var shown [][]byte
	for _, one := range strings.Fields(h.Get("Webhook-Signature")) {
		text, ok := strings.CutPrefix(one, "v1,")
		if sum, err := base64.StdEncoding.DecodeString(text); ok && err == nil {
			shown = append(shown, sum)
		}
	}
	if len(shown) == 0 {
		return nil, refusal("webhook-signature is missing or has no v1 in it")
	}
	return k.begin(shown, id, ".", at, "."), nil
}

// stripe reads "t=TIME,v1=HEX,v1=HEX,…" over TIME.BODY; other schemes than v1
// are of no use.
func (k keys) stripe(h http.Header, now time.Time) (*claim, error) {
	var at string
	var shown [][]byte
	for _, pair := range strings.Split(h.Get("Stripe-Signature"), ",") {
		switch name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); name {
		case "t":
			at = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				shown = append(shown, sum)
			}
		}
	}
	if err := inTime("t of Stripe-Signature", at, now); err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, refusal("Stripe-Signature has no v1 in it")
	}
	return k.begin(shown, at, "."), nil
}

// inTime checks a time in seconds since 1970.
func inTime(name, text string, now time.Time) error {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return refusal(name + " is missing or no number of seconds")
	}
	if off := now.Sub(time.Unix(seconds, 0)).Abs(); off > tolerance {
		return refusal(name + " is more than 5 minutes off: is a clock wrong, or is it sent again?")
	}
	return nil
}
