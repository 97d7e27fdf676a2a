package sources

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// longestURL bounds what an owner may hand us as a link.
const longestURL = 8 << 10

// origin is scheme, host and port: where requests may go, and with them the
// credentials.
type origin struct{ scheme, host, port string }

func originOf(u *url.URL) origin {
	o := origin{strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()}
	if o.port == "" {
		o.port = map[string]string{"http": "80", "https": "443"}[o.scheme]
	}
	return o
}

// follow resolves an owner's link against the URL it came from. It must stay
// with the origin and carry no user. The link goes on as it is written, but
// for bytes that no URL may hold.
func (o origin) follow(from *url.URL, link string) (*url.URL, error) {
	if len(link) > longestURL {
		return nil, blockedError("link is longer than %d bytes", longestURL)
	}
	ref, err := url.Parse(strings.TrimSpace(link))
	if err != nil {
		return nil, blockedError("link is not a URL")
	}
	u := from.ResolveReference(ref)
	u.Fragment, u.RawFragment = "", ""
	u.RawQuery = escapeOdd(u.RawQuery)
	if err := o.admit(u); err != nil {
		return nil, err
	}
	return u, nil
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

// blockedAddress reports whether an address is link-local: cloud machines hand
// out their credentials there. The owner's own configured address is not
// blocked.
func (o origin) blockedAddress(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return true
	}
	ip = ip.Unmap()
	local := ip.IsLinkLocalUnicast() || ip.WithZone("") == netip.MustParseAddr("fd00:ec2::254")
	if !local {
		return false
	}
	own, err := netip.ParseAddr(o.host)
	return err != nil || own.Unmap().WithZone("") != ip.WithZone("")
}
