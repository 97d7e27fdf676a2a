package auth

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HMACOptions say what of a request is signed and how the signature is sent.
type HMACOptions struct {
	// Secret is the key of the HMAC, as SecretAs has it: "" for the text itself,
	// "hex" or "base64".
	Secret   Secret
	SecretAs string
	// Key is what {key} stands for, the name of the secret; zero: none.
	Key Secret
	// Algorithm is sha1, sha256, sha384 or sha512, Encoding hex or base64.
	Algorithm, Encoding string
	// Sign is the text that is signed.
	Sign Text
	// Headers and Query are what is sent. Those without {signature} are there
	// when it is computed.
	Headers, Query []Field
}

// Text is literals and placeholders.
type Text []Piece

// Piece is a literal, or a placeholder of that name: method, host, path, query,
// target, url, body and its digests, key, nonce, header.NAME, signature, and the
// timestamps.
type Piece struct{ Literal, Name string }

// Field is a header or a query parameter that goes with a signature: a text, or
// a secret as it is.
type Field struct {
	Name   string
	Value  Text
	Secret *Secret
}

// HMAC signs requests, each attempt with a time and a nonce of its own.
func HMAC(o HMACOptions) Authenticator {
	from := []Secret{o.Secret, o.Key}
	for _, f := range slices.Concat(o.Headers, o.Query) {
		if f.Secret != nil {
			from = append(from, *f.Secret)
		}
	}
	s := signer{secrets: hold(longEnough, from...), sign: o.sign, refusals: []int{http.StatusUnauthorized, http.StatusForbidden}}
	for _, f := range o.Query {
		s.query = append(s.query, f.Name)
	}
	return s
}

func (o HMACOptions) sign(r *http.Request, body []byte, values []string) error {
	s := signing{request: r, body: body, at: time.Now().UTC(), nonce: strings.ToLower(rand.Text()), key: values[1]}
	constants := values[2:]
	names := make([]string, len(o.Query))
	for i, f := range o.Query {
		names[i] = f.Name
	}
	stripQuery(r.URL, names)
	for _, signed := range []bool{false, true} {
		if signed {
			signature, err := o.signature(s, values[0])
			if err != nil {
				return err
			}
			s.signature = signature
		}
		next := constants
		for i, f := range slices.Concat(o.Headers, o.Query) {
			var value string
			var err error
			if f.Secret != nil {
				value, next = next[0], next[1:]
			} else if value, err = s.render(f.Value); err != nil {
				return err
			}
			switch {
			case f.Value.names("signature") != signed:
			case i < len(o.Headers):
				r.Header.Set(f.Name, value)
			default:
				addQuery(r.URL, f.Name, value)
			}
		}
	}
	return nil
}

// signature is the HMAC of what is to be signed.
func (o HMACOptions) signature(s signing, secret string) (string, error) {
	text, err := s.render(o.Sign)
	if err != nil {
		return "", err
	}
	key := []byte(secret)
	switch o.SecretAs {
	case "hex":
		key, err = hex.DecodeString(secret)
	case "base64":
		key, err = base64.StdEncoding.DecodeString(secret)
	}
	if err != nil {
		return "", fmt.Errorf("secret is no %s", o.SecretAs)
	}
	hashes := map[string]func() hash.Hash{"sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New}
	algorithm, known := hashes[o.Algorithm]
	if !known {
		return "", fmt.Errorf("unknown algorithm %q", o.Algorithm)
	}
	mac := hmac.New(algorithm, key)
	mac.Write([]byte(text))
	if o.Encoding == "base64" {
		return base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
	}
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// names reports whether a text holds a placeholder.
func (t Text) names(name string) bool {
	return slices.ContainsFunc(t, func(p Piece) bool { return p.Name == name })
}

// signing is what the placeholders of one attempt stand for.
type signing struct {
	request               *http.Request
	body                  []byte
	at                    time.Time
	nonce, key, signature string
}

func (s signing) render(t Text) (string, error) {
	var out strings.Builder
	for _, p := range t {
		value := p.Literal
		if p.Name != "" {
			var err error
			if value, err = s.value(p.Name); err != nil {
				return "", err
			}
		}
		out.WriteString(value)
	}
	return out.String(), nil
}

// value is what a placeholder stands for. Paths and queries are as they are sent.
func (s signing) value(name string) (string, error) {
	r := s.request
	if header, ok := strings.CutPrefix(name, "header."); ok {
		return strings.Join(r.Header.Values(header), ","), nil
	}
	switch name {
	case "method":
		return r.Method, nil
	case "host":
		return s.host(), nil
	case "path":
		path, _, _ := strings.Cut(r.URL.RequestURI(), "?")
		return path, nil
	case "query":
		return r.URL.RawQuery, nil
	case "target":
		return r.URL.RequestURI(), nil
	case "url":
		return r.URL.Scheme + "://" + s.host() + r.URL.RequestURI(), nil
	case "body":
		return string(s.body), nil
	case "key":
		return s.key, nil
	case "nonce":
		return s.nonce, nil
	case "signature":
		return s.signature, nil
	}
	if value, ok := s.digest(name); ok {
		return value, nil
	}
	if value, ok := s.timestamp(name); ok {
		return value, nil
	}
	return "", fmt.Errorf("unknown placeholder {%s}", name)
}

// host is the host as it is sent. A request behind a redirect has it in its URL
// alone.
func (s signing) host() string { return cmp.Or(s.request.Host, s.request.URL.Host) }

// digest is a hash of the body.
func (s signing) digest(name string) (string, bool) {
	switch name {
	case "body_sha256":
		sum := sha256.Sum256(s.body)
		return hex.EncodeToString(sum[:]), true
	case "body_sha256_base64":
		sum := sha256.Sum256(s.body)
		return base64.StdEncoding.EncodeToString(sum[:]), true
	case "body_sha512":
		sum := sha512.Sum512(s.body)
		return hex.EncodeToString(sum[:]), true
	}
	return "", false
}

// timestamp is the time of the attempt, by our own clock.
func (s signing) timestamp(name string) (string, bool) {
	switch name {
	case "timestamp":
		return strconv.FormatInt(s.at.Unix(), 10), true
	case "timestamp_ms":
		return strconv.FormatInt(s.at.UnixMilli(), 10), true
	case "timestamp_rfc3339":
		return s.at.Format(time.RFC3339), true
	case "timestamp_http":
		return s.at.Format(http.TimeFormat), true
	}
	return "", false
}
