package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// SigV4Options say for which service of AWS, or of who speaks like it, and as
// whom requests are signed.
type SigV4Options struct {
	// Region and Service are the scope of signatures: eu-central-1 and s3.
	Region, Service string
	AccessKey       Secret
	SecretKey       Secret
	// SessionToken goes with temporary keys; its zero value is none.
	SessionToken Secret
}

// SigV4 signs requests with AWS Signature Version 4, in headers, the body
// included. Services refuse keys that were replaced with 403, and those that
// have expired with 400 or 403: S3 says ExpiredToken, DynamoDB
// UnrecognizedClientException.
func SigV4(o SigV4Options) Authenticator {
	return signer{secrets: hold(longEnough, o.AccessKey, o.SecretKey, o.SessionToken), sign: o.sign,
		refusals: []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden}}
}

func (o SigV4Options) sign(r *http.Request, body []byte, values []string) error {
	s3 := strings.HasPrefix(o.Service, "s3")
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	if s3 || o.Service == "aoss" { // which want it said, too
		r.Header.Set("X-Amz-Content-Sha256", hash)
	}
	r.Header.Del("X-Amz-Security-Token")
	escapePath(r.URL, s3)
	who := aws.Credentials{AccessKeyID: values[0], SecretAccessKey: values[1], SessionToken: values[2]}
	// A signer remembers keys by their id, and would miss another secret of it.
	return v4.NewSigner(func(of *v4.SignerOptions) { of.DisableURIPathEscaping = s3 }).
		SignHTTP(r.Context(), who, r, hash, o.Service, o.Region, time.Now())
}

// escapePath writes a path as AWS does before it compares signatures: all but
// unreserved characters are escaped. A slash inside a segment stays one, but for
// S3, whose keys hold slashes anyway.
func escapePath(u *url.URL, s3 bool) {
	if s3 {
		u.RawPath = escapeSegments(u.Path)
		return
	}
	segments := strings.Split(u.EscapedPath(), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = strings.ReplaceAll(escapeSegments(plain), "/", "%2F")
		}
	}
	u.RawPath = strings.Join(segments, "/")
}

// escapeSegments escapes all but slashes and unreserved characters.
func escapeSegments(path string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	for _, c := range []byte(path) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			out.WriteByte(c)
		default:
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return out.String()
}
