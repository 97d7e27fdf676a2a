package main

import (
	"net/http"
	"net/url"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/config"
	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
)

// authOf maps who we are to an owner; nil where that is nobody.
func authOf(a config.Auth, owner sources.Owner, store auth.TokenStore, log zerolog.Logger) auth.Authenticator {
	switch a.Kind {
	case config.AuthBearer:
		return auth.Bearer(a.Scheme, credentialOf(a.Bearer))
	case config.AuthBasic:
		return auth.Basic(credentialOf(a.User), credentialOf(a.Password))
	case config.AuthHeader:
		return auth.Header(pairsOf(a.Values)...)
	case config.AuthQuery:
		return auth.Query(pairsOf(a.Values)...)
	case config.AuthOAuth2:
		return oauth2Of(a.OAuth2, owner, store, log)
	case config.AuthLogin:
		return loginOf(owner.URL, a.Login)
	case config.AuthHMAC:
		return hmacOf(a.HMAC)
	case config.AuthSigV4:
		return auth.SigV4(auth.SigV4Options{
			Region: a.SigV4.Region, Service: a.SigV4.Service, AccessKey: credentialOf(a.SigV4.AccessKey),
			SecretKey: credentialOf(a.SigV4.SecretKey), SessionToken: credentialOf(a.SigV4.SessionToken),
		})
	}
	return nil
}

// credentialOf maps a secret that can be read again.
func credentialOf(s config.Secret) auth.Secret {
	return auth.Secret{Value: s.Reveal(), Again: func() (string, error) {
		read, err := s.Again()
		return read.Reveal(), err
	}}
}

func pairsOf(values []config.Credential) []auth.Pair {
	var out []auth.Pair
	for _, v := range values {
		out = append(out, auth.Pair{Name: v.Name, Value: credentialOf(v.Value)})
	}
	return out
}

// oauth2Of maps how access tokens are had. What becomes of a refresh token is
// kept at home.
func oauth2Of(o *config.OAuth2, owner sources.Owner, store auth.TokenStore, log zerolog.Logger) auth.Authenticator {
	var client *http.Client
	if carrier := sources.TokenCarrier(owner, o.TokenURL); carrier != nil {
		client = &http.Client{Transport: carrier}
	}
	return auth.OAuth2(auth.OAuth2Options{
		TokenURL: o.TokenURL, ClientID: credentialOf(o.ClientID), ClientSecret: credentialOf(o.ClientSecret), RefreshToken: credentialOf(o.RefreshToken),
		Scopes: o.Scopes, Params: pairsOf(o.Params), Store: store, Client: client,
		Unkept: func(err error) {
			log.Error().Err(err).Msg("refresh token is not kept: it is lost when this process ends")
		},
	})
}

// loginOf maps how a session is begun, at the owner's base.
func loginOf(base string, l *config.Login) auth.Authenticator {
	out := auth.LoginOptions{
		URL: base + l.Path, Headers: pairsOf(l.Headers), Header: l.Header, Scheme: l.Scheme,
		Token: placeOf(l.Token), Expires: placeOf(l.Expires), Lasts: l.Lasts,
	}
	out.Token.Cookie = l.Cookie
	switch {
	case l.Body != nil:
		out.ContentType = "application/json"
		out.Body = bodyChunks(*l.Body)
	case l.Form != nil:
		out.ContentType, out.Form = "application/x-www-form-urlencoded", true
		for i, f := range l.Form {
			name := url.QueryEscape(f.Name) + "="
			if i > 0 {
				name = "&" + name
			}
			out.Body = append(out.Body, auth.Chunk{Literal: name}, auth.Chunk{Secret: credentialOf(f.Value)})
		}
	}
	return auth.Login(out)
}

// bodyChunks writes a tree of secrets as JSON.
func bodyChunks(v config.SecretValue) []auth.Chunk {
	out := []auth.Chunk{{Literal: v.Scalar}}
	literal := func(text string) { out = append(out, auth.Chunk{Literal: text}) }
	switch v.Kind {
	case config.Text:
		return []auth.Chunk{{Secret: credentialOf(v.Secret)}}
	case config.List:
		out = []auth.Chunk{{Literal: "["}}
		for i, item := range v.Items {
			if i > 0 {
				literal(",")
			}
			out = append(out, bodyChunks(item)...)
		}
		literal("]")
	case config.Object:
		out = []auth.Chunk{{Literal: "{"}}
		for i, m := range v.Members {
			if i > 0 {
				literal(",")
			}
			literal(string(jsonOf(config.Scalar{Kind: config.Text, Text: m.Name})) + ":")
			out = append(out, bodyChunks(m.Value)...)
		}
		literal("}")
	}
	return out
}

func placeOf(p config.Place) auth.Place {
	out := auth.Place{Header: p.Header}
	for _, s := range p.Body.Segments {
		out.Steps = append(out.Steps, auth.Step{Name: s.Name, Index: s.Index})
	}
	return out
}

func hmacOf(h *config.HMAC) auth.Authenticator {
	return auth.HMAC(auth.HMACOptions{
		Secret: credentialOf(h.Secret), SecretAs: h.SecretAs, Key: credentialOf(h.Key), Algorithm: h.Algorithm, Encoding: h.Encoding,
		Sign: signingOf(h.Sign), Headers: signedOf(h.Headers), Query: signedOf(h.Query),
	})
}

func signedOf(all []config.Signed) []auth.Field {
	var out []auth.Field
	for _, s := range all {
		f := auth.Field{Name: s.Name, Value: signingOf(s.Value)}
		if !s.Secret.IsZero() {
			secret := credentialOf(s.Secret)
			f.Secret = &secret
		}
		out = append(out, f)
	}
	return out
}

func signingOf(t config.Template) auth.Text {
	var out auth.Text
	for _, p := range t.Parts {
		piece := auth.Piece{Literal: p.Literal, Name: p.Placeholder}
		if p.Placeholder == "header" {
			piece.Name += "." + p.Field.Text
		}
		out = append(out, piece)
	}
	return out
}
