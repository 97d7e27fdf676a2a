package main

import (
	"net/http"

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
