package config

import "net/url"

// OAuth2 is how an access token is obtained and renewed: by a refresh token where there is one, else by the client's
// own credentials.
type OAuth2 struct {
	TokenURL     string // https, or http on this machine
	ClientID     Secret
	ClientSecret Secret // zero: none, which needs RefreshToken
	RefreshToken Secret
	Scopes       []string
	Params       []Credential // sent to TokenURL on top
}

func (s section) oauth2(n *node, a *Auth) { a.OAuth2 = s.r.oauth2(n) }

func (r *reader) oauth2(n *node) *OAuth2 {
	o := new(OAuth2)
	s, ok := r.section(n)
	if !ok {
		return o
	}
	if u := s.need("token_url", `token_url = "https://HOST/token"`); u != nil {
		o.TokenURL = r.tokenURL(u)
	}
	if id := s.need("client_id", `client_id = "${CLIENT_ID}"`); id != nil {
		o.ClientID = r.headerSecret(id)
	}
	if refresh := s.child("refresh_token"); refresh != nil {
		o.RefreshToken = r.headerSecret(refresh)
	}
	if secret := s.child("client_secret"); secret != nil {
		o.ClientSecret = r.headerSecret(secret)
	} else if !s.has("refresh_token") {
		r.wrong(n, `client_secret is missing; write client_secret = "${CLIENT_SECRET}", or a refresh_token`)
	}
	if scopes := s.child("scopes"); scopes != nil {
		o.Scopes = r.scopes(scopes)
	}
	if params := s.child("params"); params != nil {
		o.Params = r.credentials(params, false)
	}
	return o
}

// tokenURL reads where tokens are asked for. A secret goes there, so it must not travel readable. The mistakes never
// repeat it.
func (r *reader) tokenURL(n *node) string {
	text, ok := r.text(n)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		r.wrong(n, `must begin with https://HOST`)
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		r.wrong(n, "would send the client's secret readable over http; use an https url")
	case u.User != nil:
		r.wrong(n, "holds a user; write client_id and client_secret")
	case u.Fragment != "":
		r.wrong(n, "holds a fragment, which is never sent; leave out what follows #")
	default:
		return text
	}
	return ""
}

// scopes reads a list of words.
func (r *reader) scopes(n *node) []string {
	if n.kind != kindArray {
		r.wrong(n, `is %s; write a list such as ["read"]`, n.what())
		return nil
	}
	var all []string
	for _, c := range n.below {
		text, ok := r.text(c)
		if !ok {
			continue
		}
		if !isScope(text) {
			r.wrong(c, "is no scope; write one word")
			continue
		}
		all = append(all, text)
	}
	return all
}

// isScope reports whether text is a scope of RFC 6749, which a list of them separates by spaces.
func isScope(text string) bool {
	for _, c := range text {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return text != ""
}
