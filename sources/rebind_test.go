package sources

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/larder-sync/larder/syncer"
)

// TestNamesThatAreBentAreNotDialled: a name that led to a harmless address when
// its link was followed first, and leads to a link-local one when it is dialled
// again, is judged by what is dialled.
func TestNamesThatAreBentAreNotDialled(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	owner, err := url.Parse("http://owner.example:" + port)
	if err != nil {
		t.Fatal(err)
	}
	var address atomic.Pointer[net.IP]
	real := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = real })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go resolve(theirs, *address.Load())
		return ours, nil
	}}
	transport := newTransport(originOf(owner), nil, 1)
	transport.Proxy, transport.DisableKeepAlives = nil, true
	for _, c := range []struct {
		ip      net.IP
		blocked bool
	}{{net.IPv4(127, 0, 0, 1), false}, {net.IPv4(169, 254, 169, 254), true}, {net.IPv4(127, 0, 0, 1), false}} {
		address.Store(&c.ip)
		before := asked.Load()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, owner.String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err == nil {
			_ = resp.Body.Close()
		}
		var blocked interface{ FailureClass() syncer.Class }
		is := errors.As(err, &blocked) && blocked.FailureClass() == syncer.ClassBlockedURL && strings.Contains(err.Error(), "link-local")
		if is != c.blocked || (err == nil) == c.blocked || (asked.Load() > before) == c.blocked {
			t.Errorf("a name that leads to %s: %v", c.ip, err)
		}
	}
}

// resolve answers one question for a name with an address of IPv4, and none of
// IPv6, as DNS does over a stream.
func resolve(conn net.Conn, ip net.IP) {
	defer func() { _ = conn.Close() }()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	query := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, query); err != nil || len(query) < 12 {
		return
	}
	end := 12
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end])
	}
	if end += 5; end > len(query) {
		return
	}
	answers := byte(0)
	if query[end-3] == 1 { // A
		answers = 1
	}
	reply := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, answers, 0, 0, 0, 0}, query[12:end]...)
	if answers == 1 {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, ip.To4()...)
	}
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
}
