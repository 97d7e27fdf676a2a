package sources

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/larder-sync/larder/syncer"
)

// TLS says by which certificates an owner is known, and we to it. The zero
// value trusts the system's roots and shows none of ours.
type TLS struct {
	CAFile            string // PEM; in place of the system's roots
	CertFile, KeyFile string // PEM; our certificate and its key
	// ServerName is who the owner has to prove to be; "": its host.
	ServerName string
}

// mostPEM bounds a file of certificates.
const mostPEM = 4 << 20

// carrier carries the requests of one owner: each to where it may lead, with
// the certificates that go there. The files are read again when they change.
type carrier struct {
	hosts       hosts
	tls         TLS
	concurrency int
	log         zerolog.Logger

	mu   sync.Mutex
	read [3]os.FileInfo // of what was read last, sound or not; nil: it is not there
	now  *carried       // nil: nothing was read soundly yet
	err  error          // what was wrong with what was read last
	told time.Time      // when it was last told that the files cannot be read
}

// unreadAgain is how often it is told that the files cannot be read.
const unreadAgain = time.Minute

// carried is one reading of the files.
type carried struct{ strangers, trusted, home *http.Transport }

// TokenCarrier carries requests for tokens to an address of the owner's own
// host, by the owner's TLS; nil where the address is another host's, which that
// says nothing about.
func TokenCarrier(o Owner, address string) http.RoundTripper {
	own, err := url.Parse(o.URL)
	if err != nil {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || !strings.EqualFold(u.Hostname(), own.Hostname()) {
		return nil
	}
	o.setDefaults()
	return &carrier{hosts: hosts{origin: originOf(u)}, tls: o.TLS, concurrency: o.Concurrency, log: o.Log}
}

func (c *carrier) RoundTrip(r *http.Request) (*http.Response, error) {
	now, err := c.current()
	if err != nil {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, &failure{class: syncer.ClassTLS, text: "read tls", cause: err}
	}
	switch c.hosts.request(r) {
	case home:
		return now.home.RoundTrip(r)
	case trusted:
		return now.trusted.RoundTrip(r)
	}
	return now.strangers.RoundTrip(r)
}

// current is what the files say, or said when they were sound. Connections that
// were made by older files end with the requests that they carry.
func (c *carrier) current() (*carried, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	read := c.files()
	if c.now != nil && sameFiles(c.read, read) {
		return c.now, nil
	}
	if c.err != nil && sameFiles(c.read, read) {
		return nil, c.err
	}
	old := c.now
	next, err := c.load()
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return c.unread(err)
	}
	c.read, c.err = read, err
	switch {
	case err == nil:
		c.now = next
	case old != nil:
		c.log.Error().Err(err).Msg("new tls files are not used: those that were read before stay in use")
		return old, nil
	default:
		return nil, err
	}
	if old != nil {
		for _, t := range []*http.Transport{old.strangers, old.trusted, old.home} {
			t.CloseIdleConnections()
		}
		c.log.Info().Msg("tls files have changed and are used")
	}
	return c.now, nil
}

// unread goes on without files that cannot be read, which says nothing about
// what they hold: they are read again by the next request.
func (c *carrier) unread(err error) (*carried, error) {
	if c.now == nil {
		return nil, err
	}
	if time.Since(c.told) >= unreadAgain {
		c.told = time.Now()
		c.log.Error().Err(err).Msg("tls files are not read: those that were read before stay in use")
	}
	return c.now, nil
}

// files looks at the files without reading them.
func (c *carrier) files() (all [3]os.FileInfo) {
	for i, name := range []string{c.tls.CAFile, c.tls.CertFile, c.tls.KeyFile} {
		if name == "" {
			continue
		}
		if info, err := os.Stat(name); err == nil {
			all[i] = info
		}
	}
	return all
}

func sameFiles(a, b [3]os.FileInfo) bool {
	for i := range a {
		switch {
		case a[i] == nil && b[i] == nil:
		case a[i] == nil || b[i] == nil,
			!os.SameFile(a[i], b[i]) || a[i].Size() != b[i].Size() || !a[i].ModTime().Equal(b[i].ModTime()):
			return false
		}
	}
	return true
}

// load reads the files. A stranger is known by the owner's roots, too, which
// may be those of one house, but learns nothing of ours.
func (c *carrier) load() (*carried, error) {
	own := &tls.Config{MinVersion: tls.VersionTLS12}
	foreign := own.Clone()
	if c.tls.CAFile != "" {
		authorities, err := readCertificates(c.tls.CAFile)
		if err != nil {
			return nil, err
		}
		own.RootCAs = x509.NewCertPool()
		if foreign.RootCAs, err = x509.SystemCertPool(); err != nil {
			foreign.RootCAs = x509.NewCertPool()
		}
		for _, a := range authorities {
			own.RootCAs.AddCert(a)
			foreign.RootCAs.AddCert(a)
		}
	}
	if c.tls.CertFile != "" {
		pair, err := readPair(c.tls.CertFile, c.tls.KeyFile)
		if err != nil {
			return nil, err
		}
		own.Certificates = []tls.Certificate{pair}
	}
	named := own.Clone()
	named.ServerName = c.tls.ServerName
	return &carried{
		strangers: newTransport(origin{}, foreign, c.concurrency),
		trusted:   newTransport(origin{}, own, c.concurrency),
		home:      newTransport(c.hosts.origin, named, c.concurrency),
	}, nil
}

// readCertificates reads a file of certificates, whole: one that is half
// written is no list of fewer.
func readCertificates(name string) ([]*x509.Certificate, error) {
	text, err := readPEM(name)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", name, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 || bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, fmt.Errorf("read %q: holds no whole list of certificates in PEM", name)
	}
	return all, nil
}

// readPair reads our certificate, and what vouches for it, with its key.
func readPair(cert, key string) (tls.Certificate, error) {
	if _, err := readCertificates(cert); err != nil {
		return tls.Certificate{}, err
	}
	certText, err := readPEM(cert)
	if err != nil {
		return tls.Certificate{}, err
	}
	keyText, err := readPEM(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	pair, err := tls.X509KeyPair(certText, keyText)
	if err != nil {
		return pair, fmt.Errorf("read %q with %q: %w", cert, key, err)
	}
	return pair, nil
}

func readPEM(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, mostPEM+1))
	if err == nil && len(text) > mostPEM {
		err = errors.New("is larger than any list of certificates")
	}
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", name, err)
	}
	return text, nil
}

// newTransport dials, and refuses addresses at which a cloud's machine finds
// its keys. They are judged after the name was resolved, so that no name leads
// there; own is the one origin that may be configured to be such an address.
func newTransport(own origin, config *tls.Config, concurrency int) *http.Transport {
	dialer := &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			if own.blockedAddress(address) {
				return blockedError("owner's name leads to a link-local address")
			}
			return nil
		},
	}
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // larder unpacks by itself
		TLSClientConfig:        config,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConnsPerHost:    concurrency,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}
