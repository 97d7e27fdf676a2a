package config

import "strings"

// SigV4 is how requests are signed with AWS Signature Version 4.
type SigV4 struct {
	Region, Service string
	AccessKey       Secret
	SecretKey       Secret
	SessionToken    Secret // zero: none
}

func (s section) sigv4(n *node, a *Auth) {
	v := new(SigV4)
	a.SigV4 = v
	own, ok := s.r.section(n)
	if !ok {
		return
	}
	for _, word := range []struct {
		key, example string
		into         *string
	}{{"region", `region = "eu-central-1"`, &v.Region}, {"service", `service = "s3"`, &v.Service}} {
		if own.need(word.key, word.example) != nil {
			own.text(word.key, word.into)
			if *word.into != "" && strings.Trim(*word.into, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				s.r.wrong(own.child(word.key), "is no name of AWS; write lower-case letters, digits and dashes, such as %s", word.example)
			}
		}
	}
	for _, secret := range []struct {
		key, example string
		into         *Secret
	}{{"access_key", `access_key = "${AWS_ACCESS_KEY_ID}"`, &v.AccessKey}, {"secret_key", `secret_key = "${AWS_SECRET_ACCESS_KEY}"`, &v.SecretKey}} {
		if n := own.need(secret.key, secret.example); n != nil {
			*secret.into = s.r.headerSecret(n)
		}
	}
	if token := own.child("session_token"); token != nil {
		v.SessionToken = s.r.headerSecret(token)
	}
}
