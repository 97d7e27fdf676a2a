package sources

import (
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/larder-sync/larder/syncer/metadata"
)

// longestURL bounds what an owner may hand us as a link.
const longestURL = 8 << 10

// origin is scheme, host and port: where an owner is.
type origin struct{ scheme, host, port string }

func originOf(u *url.URL) origin {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == "" {
		o.port = defaultPort(o.scheme)
	}
	return o
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// admit refuses URLs that lead elsewhere.
func (o origin) admit(u *url.URL) error {
	switch {
	case u.User != nil:
		return blockedError("link names a user")
	case originOf(u) != o:
		return blockedError("link leads away from the owner's origin")
	}
	return nil
}

// blockedAddress reports whether an address is link-local, or one at which
// clouds hand out their machines' credentials. The owner's own configured
// address is not blocked.
func (o origin) blockedAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return true
	}
	if !metadata.Holds(ip) {
		return false
	}
	own, err := netip.ParseAddr(o.host)
	return err != nil || own.Unmap().WithZone("") != ip.Unmap().WithZone("")
}
