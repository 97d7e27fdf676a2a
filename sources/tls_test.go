package sources_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/sources/auth"
	"github.com/larder-sync/larder/syncer"
)

// authority vouches for certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	return authority{}.issue(t, name, func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	})
}

// issue makes a certificate, signed by the authority or, where that is the zero
// one, by itself.
func (a authority) issue(t testing.TB, name string, change func(*x509.Certificate)) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	if a.cert == nil {
		a = authority{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func (a authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

func (a authority) keyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func localhost(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

func named(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.DNSNames = names }
}

// house is an owner over TLS with an authority of its own.
type house struct {
	ca     authority
	dir    string
	server *httptest.Server
	seen   []string // names of the clients
}

// newHouse serves one record. With clients, only who is vouched for by the
// authority is served.
func newHouse(t *testing.T, clients bool, shape func(*x509.Certificate)) *house {
	t.Helper()
	h := &house{ca: newAuthority(t, "house"), dir: t.TempDir()}
	own := h.ca.issue(t, "owner", shape)
	h.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := "nobody"
		if len(r.TLS.PeerCertificates) > 0 {
			name = r.TLS.PeerCertificates[0].Subject.CommonName
		}
		h.seen = append(h.seen, name)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[{"id":1}]}`)
	}))
	h.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{own.cert.Raw}, PrivateKey: own.key}}}
	if clients {
		h.server.TLS.ClientAuth, h.server.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		h.server.TLS.ClientCAs.AddCert(h.ca.cert)
	}
	h.server.StartTLS()
	t.Cleanup(h.server.Close)
	return h
}

// write puts a file in place in one step, as those who rotate certificates do.
func (h *house) write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(h.dir, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
	return file
}

// owner asks the house with a certificate of the given name.
func (h *house) owner(t *testing.T, client authority) sources.Owner {
	owner := at(h.server.URL)
	owner.TLS = sources.TLS{CAFile: h.write(t, "ca.pem", h.ca.pem()), CertFile: h.write(t, "our.pem", client.pem()), KeyFile: h.write(t, "our.key", client.keyPEM(t))}
	return owner
}

// TestOwnerIsKnownByItsCA: the bundle of the configuration is honoured, in
// place of the system's.
func TestOwnerIsKnownByItsCA(t *testing.T) {
	h := newHouse(t, false, localhost)
	owner := at(h.server.URL)
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
	owner.TLS.CAFile = h.write(t, "ca.pem", "# the house\n"+h.ca.pem()+"\n"+newAuthority(t, "another").pem())
	complete(t, source(t, owner, list(sources.Paging{})), snapshot())
	owner.TLS.CAFile = h.write(t, "wrong.pem", newAuthority(t, "house").pem())
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
	if len(h.seen) != 1 {
		t.Errorf("asked by %q", h.seen)
	}
}

// TestMutualTLS: who shows no certificate, or one that nobody vouches for, is
// refused, and that is not tried again.
func TestMutualTLS(t *testing.T) {
	h := newHouse(t, true, localhost)
	complete(t, source(t, h.owner(t, h.ca.issue(t, "larder", nil)), list(sources.Paging{})), snapshot())
	if len(h.seen) != 1 || h.seen[0] != "larder" {
		t.Errorf("asked by %q", h.seen)
	}
	for name, owner := range map[string]sources.Owner{
		"stranger": h.owner(t, newAuthority(t, "stranger").issue(t, "larder", nil)),
		"nobody":   {URL: h.server.URL, TLS: sources.TLS{CAFile: h.write(t, "ca.pem", h.ca.pem())}},
	} {
		t.Run(name, func(t *testing.T) {
			err := fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
			if len(h.seen) != 1 {
				t.Errorf("asked by %q: %v", h.seen, err)
			}
		})
	}
}

// TestServerName: an owner behind another address proves to be who it is called.
func TestServerName(t *testing.T) {
	h := newHouse(t, false, named("users.internal"))
	owner := at(h.server.URL)
	owner.TLS.CAFile = h.write(t, "ca.pem", h.ca.pem())
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
	owner.TLS.ServerName = "users.internal"
	complete(t, source(t, owner, list(sources.Paging{})), snapshot())
	owner.TLS.ServerName = "drivers.internal"
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
}

// TestOldTLSIsRefused: 1.2 is the least.
func TestOldTLSIsRefused(t *testing.T) {
	h := newHouse(t, false, localhost)
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{Certificates: h.server.TLS.Certificates, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = log.New(io.Discard, "", 0)
	old.StartTLS()
	defer old.Close()
	owner := at(old.URL)
	owner.TLS.CAFile = h.write(t, "ca.pem", h.ca.pem())
	fails(t, source(t, owner, list(sources.Paging{})), snapshot(), syncer.ClassTLS)
}

// TestRotatedCertificates are used from the next request on, without a new
// client. While what lies there is broken, what was read before stays in use,
// and that is logged once for each that is broken.
func TestRotatedCertificates(t *testing.T) {
	h := newHouse(t, true, localhost)
	first, second := h.ca.issue(t, "first", nil), h.ca.issue(t, "second", nil)
	owner := h.owner(t, first)
	var logged bytes.Buffer
	owner.Log = zerolog.New(&logged).Level(zerolog.InfoLevel)
	s := source(t, owner, list(sources.Paging{}))
	ask := func(want string) {
		t.Helper()
		complete(t, s, snapshot())
		if got := h.seen[len(h.seen)-1]; got != want {
			t.Errorf("asked by %q, want %q", got, want)
		}
	}
	warnings := func(want int) {
		t.Helper()
		if got := strings.Count(logged.String(), "stay in use"); got != want {
			t.Errorf("%d warnings, want %d:\n%s", got, want, logged.String())
		}
	}
	ask("first")
	ask("first")
	h.write(t, "our.pem", second.pem()) // the key is still the first one's
	ask("first")
	ask("first")
	warnings(1)
	h.write(t, "our.key", second.keyPEM(t))
	ask("second")
	h.write(t, "our.pem", first.pem()[:200]) // half written
	ask("second")
	warnings(2)
	if err := os.Remove(owner.TLS.KeyFile); err != nil {
		t.Fatal(err)
	}
	ask("second")
	warnings(3)
	whole := h.ca.pem() + newAuthority(t, "next").pem()
	h.write(t, "our.pem", first.pem())
	h.write(t, "our.key", first.keyPEM(t))
	h.write(t, "ca.pem", whole[:len(whole)-100]) // a bundle that ends in the middle is none
	ask("second")
	warnings(4)
	h.write(t, "ca.pem", whole)
	ask("first")
	warnings(4)
	if strings.Contains(logged.String(), "PRIVATE") || !strings.Contains(logged.String(), "have changed") {
		t.Error(logged.String())
	}
}

// TestRotatedInMidWalk: the pages of one walk are asked for by the certificate
// that is there at the time.
func TestRotatedInMidWalk(t *testing.T) {
	h := newHouse(t, true, localhost)
	owner := h.owner(t, h.ca.issue(t, "first", nil))
	second := h.ca.issue(t, "second", nil)
	h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.seen = append(h.seen, r.TLS.PeerCertificates[0].Subject.CommonName)
		w.Header().Set("Content-Type", "application/json")
		if len(h.seen) == 2 {
			h.write(t, "our.pem", second.pem())
			h.write(t, "our.key", second.keyPEM(t))
		}
		if len(h.seen) < 3 {
			fmt.Fprintf(w, `{"data":[{"id":%d}],"next":"?page=%d"}`, len(h.seen), len(h.seen))
			return
		}
		fmt.Fprint(w, `{"data":[{"id":3}]}`)
	})
	complete(t, source(t, owner, list(sources.Paging{By: sources.NextURL, Next: "next"})), snapshot())
	if got := strings.Join(h.seen, " "); got != "first first second" {
		t.Errorf("asked by %s", got)
	}
}

// TestTLSFilesThatAreNotThere fail the poll with their name, and mend without a
// restart.
func TestTLSFilesThatAreNotThere(t *testing.T) {
	h := newHouse(t, false, localhost)
	owner := at(h.server.URL)
	owner.TLS.CAFile = filepath.Join(h.dir, "late.pem")
	s := source(t, owner, list(sources.Paging{}))
	for range 2 {
		if err := fails(t, s, snapshot(), syncer.ClassTLS); !strings.Contains(err.Error(), "late.pem") {
			t.Error(err)
		}
	}
	h.write(t, "late.pem", h.ca.pem())
	complete(t, s, snapshot())
}

// TestTokensOfTheOwnersHost are fetched by the owner's TLS, others are not.
func TestTokensOfTheOwnersHost(t *testing.T) {
	h := newHouse(t, true, localhost)
	h.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.seen = append(h.seen, r.URL.Path+" "+r.TLS.PeerCertificates[0].Subject.CommonName)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"t","token_type":"Bearer","data":[{"id":1}]}`)
	})
	owner := h.owner(t, h.ca.issue(t, "larder", nil))
	owner.Auth = auth.OAuth2(auth.OAuth2Options{TokenURL: h.server.URL + "/token", ClientID: auth.Secret{Value: "id"}, ClientSecret: auth.Secret{Value: "canary"},
		Client: &http.Client{Transport: sources.TokenCarrier(owner, h.server.URL+"/token")}})
	complete(t, source(t, owner, list(sources.Paging{})), snapshot())
	if got := strings.Join(h.seen, ", "); got != "/token larder, /list larder" {
		t.Error(got)
	}
	if sources.TokenCarrier(owner, "https://login.example/token") != nil {
		t.Error("another host's tokens are fetched with the owner's certificate")
	}
}

// TestTLSFilesThatCannotBeReadForAMoment: they are read by the next request, and
// until then those that were read before stay in use.
func TestTLSFilesThatCannotBeReadForAMoment(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[{"id":1}]}`)
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := at(server.URL)
	owner.TLS = sources.TLS{CAFile: ca}
	owner.Retry = sources.Retry{Attempts: 1}
	s := source(t, owner, list(sources.Paging{}))
	if err := withoutFiles(t, func() error { _, err := walk(t, s, snapshot()); return err }); err == nil || !strings.Contains(err.Error(), "too many open files") {
		t.Fatalf("first: %v", err)
	}
	complete(t, s, snapshot())

	// The file is touched, and cannot be read: the certificates of before do. The
	// walk goes over the connection that there is, since none can be opened.
	if err := os.Chtimes(ca, time.Now(), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := withoutFiles(t, func() error { _, err := walk(t, s, snapshot()); return err }); err != nil {
		t.Errorf("with what was read before: %v", err)
	}
	complete(t, s, snapshot())
}

// withoutFiles calls f while no file can be opened.
func withoutFiles(t *testing.T, f func() error) error {
	t.Helper()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Skip(err)
	}
	err := f()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	return err
}
