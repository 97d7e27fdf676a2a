package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-sync/larder/config"
)

// writeKey writes a certificate that vouches for itself, with its key, into a folder.
func writeKey(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for suffix, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: cert}, ".key": {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(filepath.Join(dir, name+suffix), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// The files are read from the config file's folder, and a key has to be that of its certificate.
func TestEveryKeyOfTLS(t *testing.T) {
	dir := t.TempDir()
	writeKey(t, dir, "our")
	writeKey(t, dir, "other")
	load := func(values string) (*config.Config, error) {
		file := filepath.Join(dir, "larder.toml")
		text := fmt.Sprintf("owner.users.tls = { %s }\n%s", values, shop)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(file, environ())
	}
	at := func(name string) string { return filepath.Join(dir, name) }

	c, err := load(`ca_file = "other.pem", cert_file = "our.pem", key_file = "` + at("our.key") + `", server_name = "people"`)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "tls", config.TLS{CAFile: at("other.pem"), CertFile: at("our.pem"), KeyFile: at("our.key"), ServerName: "people"}, c.Owners[0].TLS)

	_, err = load(`cert_file = "our.pem", key_file = "other.key"`)
	if err == nil || !strings.Contains(err.Error(), "tls.cert_file: is no certificate with its key: tls: private key does not match public key") {
		t.Error(err)
	}
	if _, err = config.LoadForDatabases(at("larder.toml"), environ()); err != nil {
		t.Errorf("who asks no owner needs no certificate: %v", err)
	}
}
