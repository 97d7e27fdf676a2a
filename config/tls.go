package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/url"
	"path/filepath"
	"strings"
)

// TLS is by which certificates an owner is known, and larder to it. The zero value is the system's roots and no
// certificate of ours. The paths are absolute or start where the process does.
type TLS struct {
	CAFile, CertFile, KeyFile string
	ServerName                string
}

// tls reads how connections to an owner are made. The files are read when they are used; here they are tried, so that
// a mistake shows at once.
func (r *reader) tls(n *node, o *Owner) {
	s, ok := r.section(n)
	if !ok {
		return
	}
	if len(n.below) == 0 {
		r.wrong(n, "is an empty table; write ca_file, cert_file with key_file, or server_name")
	}
	if u, err := url.Parse(o.URL); err == nil && u.Scheme == "http" {
		r.wrong(n, "has no use over http; write an https url, or leave tls out")
	}
	ca := s.pemFile("ca_file", &o.TLS.CAFile)
	if block, _ := pem.Decode(ca); ca != nil && (block == nil || !x509.NewCertPool().AppendCertsFromPEM(ca)) {
		r.wrong(s.child("ca_file"), "%q holds no certificates in PEM", filepath.Base(o.TLS.CAFile))
	}
	cert, key := s.pemFile("cert_file", &o.TLS.CertFile), s.pemFile("key_file", &o.TLS.KeyFile)
	switch {
	case s.has("cert_file") != s.has("key_file"):
		r.wrong(n, "a certificate goes with its key; write cert_file and key_file, or neither")
	case cert != nil && key != nil:
		if _, err := tls.X509KeyPair(cert, key); err != nil {
			r.wrong(s.child("cert_file"), "is no certificate with its key: %v", err)
		}
	}
	s.text("server_name", &o.TLS.ServerName)
	if name := s.child("server_name"); name != nil && name.kind == kindText && (o.TLS.ServerName == "" || strings.ContainsAny(o.TLS.ServerName, "/:@ ")) {
		r.wrong(name, `%s is no host; write its name alone, such as "users.internal"`, r.shown(name))
	}
}

// pemFile reads the path of a file, and what is in it; nil where that is not to be had.
func (s section) pemFile(key string, into *string) []byte {
	n := s.child(key)
	if n == nil {
		return nil
	}
	text, ok := s.r.text(n)
	if !ok || s.r.noOwners {
		return nil
	}
	*into = s.r.resolve(text)
	data, err := readFile(*into)
	if err != nil {
		hint := "; the path starts from the config file's folder"
		if filepath.IsAbs(text) {
			hint = ""
		}
		s.r.wrong(n, "read %s: %v%s", s.r.shown(n), err, hint)
		return nil
	}
	return append([]byte{}, data...)
}
