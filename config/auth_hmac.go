package config

import (
	"encoding/base64"
	"encoding/hex"
	"slices"
)

// HMAC is how requests are signed with a secret that both sides have.
type HMAC struct {
	Secret    Secret
	SecretAs  string // "text", "hex" or "base64"
	Key       Secret // zero: none
	Algorithm string
	Encoding  string // "hex" or "base64", of the signature
	Sign      Template
	Headers   []Signed
	Query     []Signed
}

// Signed is a header or a query parameter that goes with a signature: a template, or a secret from outside the file.
type Signed struct {
	Name   string
	Value  Template
	Secret Secret // zero: Value
}

// signingPlaceholders are those of a signature; those with a dot take what follows it.
var signingPlaceholders = []string{
	"method", "host", "path", "query", "target", "url", "body", "body_sha256", "body_sha256_base64", "body_sha512",
	"timestamp", "timestamp_ms", "timestamp_rfc3339", "timestamp_http", "nonce", "key", "header.NAME", "signature",
}

func (s section) hmac(n *node, a *Auth) {
	h := &HMAC{SecretAs: "text", Algorithm: "sha256", Encoding: "hex"}
	a.HMAC = h
	own, ok := s.r.section(n)
	if !ok {
		return
	}
	choose(own, "secret_encoding", &h.SecretAs)
	choose(own, "algorithm", &h.Algorithm)
	choose(own, "encoding", &h.Encoding)
	if secret := own.need("secret", `secret = "${SIGNING_SECRET}"`); secret != nil {
		h.Secret = s.r.secret(secret, func(text string) string { return fitsEncoding(text, h.SecretAs) })
	}
	if key := own.child("key"); key != nil {
		h.Key = s.r.headerSecret(key)
	}
	if sign := own.need("sign", `sign = "{method}{target}{timestamp}{body}"`); sign != nil {
		h.Sign, _ = own.signing(sign)
		if uses(h.Sign, "signature") {
			s.r.wrong(sign, "holds {signature}, which is what comes of it; leave it out")
		}
	}
	h.Headers = own.signed("header")
	h.Query = own.signed("query")
	own.checkSigned(h)
}

// fitsEncoding says what is wrong with a secret; "": nothing.
func fitsEncoding(text, as string) string {
	var err error
	switch as {
	case "hex":
		_, err = hex.DecodeString(text)
	case "base64":
		_, err = base64.StdEncoding.DecodeString(text)
	}
	switch {
	case text == "":
		return "is empty; set it, or leave it out"
	case err != nil:
		return "is not " + as + ", as secret_encoding says"
	}
	return ""
}

// checkSigned reports a signature that is sent nowhere, and names without a key.
func (s section) checkSigned(h *HMAC) {
	all := append(slices.Clone(h.Headers), h.Query...)
	sent, key := false, uses(h.Sign, "key")
	for _, v := range all {
		sent = sent || uses(v.Value, "signature")
		key = key || uses(v.Value, "key")
	}
	if !sent && !s.has("header") && !s.has("query") {
		s.r.wrong(s.n, `header is missing; write header = "X-Signature", or query`)
	} else if !sent && len(all) > 0 {
		s.r.wrong(s.n, `no header or query parameter holds {signature}; write one that does, such as header = { X-Signature = "{signature}" }`)
	}
	if given := s.child("key"); given != nil && !key {
		s.r.wrong(given, "is used nowhere; write {key} in sign, header or query, or leave it out")
	} else if given == nil && key {
		s.r.wrong(s.n, `{key} is used and key is missing; write key = "${KEY_ID}"`)
	}
}

func uses(t Template, placeholder string) bool {
	return slices.ContainsFunc(t.Parts, func(p Part) bool { return p.Placeholder == placeholder })
}

// signed reads a name, which holds the signature, or a table of names with their texts.
func (s section) signed(key string) []Signed {
	n := s.child(key)
	if n == nil {
		return nil
	}
	header := key == "header"
	if n.kind != kindTable {
		name, ok := s.r.text(n)
		if ok && (header && !isToken(name) || name == "") {
			s.r.wrong(n, "is no name of a %s; write a name, or { NAME = \"{signature}\" }", map[bool]string{true: "header", false: "parameter"}[header])
			return nil
		}
		return []Signed{{Name: name, Value: Template{Parts: []Part{{Placeholder: "signature"}}, text: "{signature}"}}}
	}
	var all []Signed
	for _, c := range n.below {
		if header && !isToken(c.key) {
			s.r.note(c, c.keyAt, "is no name of a header; use letters, digits and dashes")
			continue
		}
		one := Signed{Name: c.key}
		if outside(c) {
			one.Secret = s.r.headerSecret(c)
		} else {
			one.Value, _ = s.signing(c)
		}
		all = append(all, one)
	}
	return all
}

// signing reads a text with the placeholders of a signature.
func (s section) signing(n *node) (Template, bool) {
	text, ok := s.r.text(n)
	if !ok {
		return Template{}, false
	}
	if outside(n) {
		s.r.wrong(n, "is from outside the file; write what is signed here")
		return Template{}, false
	}
	t, mistakes := parseTemplate(text, signingPlaceholders)
	for _, m := range mistakes {
		s.r.wrong(n, "%s", m)
	}
	return t, len(mistakes) == 0
}
