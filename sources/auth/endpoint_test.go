package auth_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/larder-sync/larder/sources/auth"
)

// An answer that is not HTTP is quoted nowhere: it may be the token.
func TestMalformedAnswerIsNotShown(t *testing.T) {
	for _, answer := range []string{
		`{"access_token":"canary"}` + "\r\n\r\n",
		"HTTP/1.1 200 OK\r\ncanary\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: canary\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: canary\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\ncanary\r\n",
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
		}()
		_, err = sign(t.Context(), signer(t, nil, auth.OAuth2Options{TokenURL: "http://" + listener.Addr().String()}))
		_ = listener.Close()
		failed, ok := errors.AsType[*auth.TokenError](err)
		if !ok || !failed.Temporary() || err.Error() != "fetch token: reach endpoint: its answer breaks off or is not HTTP" {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// What the network itself says is shown, without the endpoint's URL.
func TestUnreachableEndpointIsExplained(t *testing.T) {
	for want, cause := range map[string]error{
		"dial tcp: connection refused": &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")},
		"takes too long":               context.DeadlineExceeded,
		"tls: failed to verify certificate: x509: certificate signed by unknown authority": &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}},
	} {
		fails := roundTrip(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("canary: %w", cause) })
		_, err := sign(t.Context(), signer(t, nil, auth.OAuth2Options{TokenURL: "https://issuer.example/?canary", Client: &http.Client{Transport: fails}}))
		if err == nil || err.Error() != "fetch token: reach endpoint: "+want || !errors.Is(err, cause) {
			t.Errorf("%v: %v", cause, err)
		}
	}
}
