package notify

import (
	"encoding/base64"
	"errors"
)

// Authorization is who we are to a receiver: a token with its scheme, or a user
// with a password. The zero value says nothing.
type Authorization struct {
	Scheme, Token  string
	User, Password string
}

// header is what is sent as Authorization; "": nothing.
func (a Authorization) header() string {
	switch {
	case a.Token != "":
		return a.Scheme + " " + a.Token
	case a.User != "" || a.Password != "":
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password))
	}
	return ""
}

// secrets are what of it nobody may read.
func (a Authorization) secrets() []string {
	return []string{a.header(), a.Token, a.User + ":" + a.Password, a.Password}
}

// travels says why it must not be sent to an address; nil if it may.
func (a Authorization) travels(address string) error {
	if a.header() != "" && readable(address) {
		return errors.New("would carry auth readable over http; use an https url")
	}
	return nil
}
