// Package metadata knows the addresses at which a machine may find its cloud's
// keys, which nothing that larder is told to ask may lead to. It touches
// nothing.
package metadata

import "net/netip"

// Holds reports whether a machine may find its cloud's keys at an address:
// link-local ones, those that clouds chose beside them, and all of these behind
// a translation to IPv6 (RFC 6052).
func Holds(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if translated := netip.MustParsePrefix("64:ff9b::/96"); translated.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	switch ip.String() {
	case "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16":
		return true
	}
	return ip.IsLinkLocalUnicast()
}
