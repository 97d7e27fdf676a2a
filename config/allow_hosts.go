package config

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// AllowedHost is where an owner's links and redirects may lead besides its origin.
type AllowedHost struct {
	Host        string // a name or an address, with a port or without one
	Credentials bool   // what the origin is shown is shown there, too
}

// allowHosts reads hosts, each alone or as { host, credentials }.
func (r *reader) allowHosts(n *node, o *Owner) {
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one host, or leave it out")
	}
	seen := map[string]bool{}
	for _, c := range eachOf(n) {
		var a AllowedHost
		at := c
		if _, isFile := fileOf(c); c.kind == kindTable && !isFile {
			s, ok := r.section(c)
			if at = s.need("host", `host = "files.example.com"`); !ok || at == nil {
				continue
			}
			s.flag("credentials", &a.Credentials)
		}
		text, ok := r.text(at)
		if !ok {
			continue
		}
		a.Host = strings.ToLower(text)
		switch wrong := wrongHost(a.Host); {
		case outside(at) && r.noOwners:
		case wrong != "":
			r.wrong(at, "%s %s", r.shown(at), wrong)
		case seen[a.Host]:
			r.wrong(at, "%s is there twice; leave one of them out", r.shown(at))
		default:
			o.AllowHosts = append(o.AllowHosts, a)
		}
		seen[a.Host] = true
	}
}

// wrongHost says what is wrong with a host; "" if nothing is.
func wrongHost(text string) string {
	if strings.Contains(text, "://") {
		return `is a URL; write its host alone, such as "files.example.com" or "files.example.com:8443"`
	}
	if strings.Contains(text, "*") {
		return "is a pattern; name each host"
	}
	host := strings.Trim(text, "[]")
	if name, port, err := net.SplitHostPort(text); err == nil {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "has no port from 1 to 65535; leave it out for the scheme's own"
		}
		host = name
	}
	ip, err := netip.ParseAddr(host)
	if err == nil && ip.Unmap().IsLinkLocalUnicast() {
		return "is link-local: machines in clouds find their own keys there, so it is never asked"
	}
	if u, parsed := url.Parse("https://" + text); err != nil && (parsed != nil || u.Hostname() != host || host == "" || strings.ContainsAny(text, "/?#@ ")) {
		return `is no host; write one such as "files.example.com" or "files.example.com:8443"`
	}
	return ""
}
