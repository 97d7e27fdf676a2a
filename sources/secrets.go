package sources

import (
	"net/url"
	"slices"
	"strings"
)

// secrets lists what of a spec may be shown nowhere: what its requests hold that
// came from outside the configuration, and what stands under a name that says so.
func (s *Spec) secrets() []string {
	var all []string
	for _, r := range s.requests() {
		all = append(all, r.secrets()...)
	}
	return all
}

// requests are all requests of a source.
func (s *Spec) requests() []*Request {
	all := []*Request{&s.Request, s.Epoch.Request, s.Resync.Request, s.Resync.Before}
	for _, r := range []*Records{&s.Records, s.Resync.Records} {
		if r != nil && r.Hydrate != nil {
			all = append(all, &r.Hydrate.Request)
		}
		if r != nil && r.DeletedAsk != nil {
			all = append(all, &r.DeletedAsk.Request)
		}
	}
	return slices.DeleteFunc(all, func(r *Request) bool { return r == nil })
}

func (r *Request) secrets() []string {
	var all []string
	r.templates(func(t Template) {
		for _, p := range t {
			if p.Secret {
				all = append(all, p.Literal)
			}
		}
	})
	for _, h := range r.Headers {
		if isCredential(h.Name) {
			all = append(all, h.Value.literals()...)
		}
	}
	for _, p := range slices.Concat(r.Query, r.Later.Query) {
		for _, v := range p.Values {
			if isCredential(p.Name) {
				v.templates(func(t Template) { all = append(all, t.literals()...) })
			}
		}
	}
	return all
}

func (t Template) literals() []string {
	var all []string
	for _, p := range t {
		if p.Placeholder == "" {
			all = append(all, p.Literal)
		}
	}
	return all
}

// isCredential reports whether the name of a header or a parameter says that its
// value is secret.
func isCredential(name string) bool {
	name = strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(name))
	for _, word := range []string{"authorization", "cookie", "token", "apikey", "accesskey", "secret", "password"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return name == "key" || strings.HasPrefix(name, "x") && strings.HasSuffix(name, "key")
}

// echo is a parameter of a query with a secret, which the owner may repeat in
// its links.
type echo struct{ name, value string }

// echoes are the parameters of a request that hold secrets, in its order.
func (r *Request) echoes() []echo {
	var all []echo
	for _, p := range slices.Concat(r.Query, r.Later.Query) {
		for _, v := range p.Values {
			secret := slices.ContainsFunc(v.Text, func(p Part) bool { return p.Secret })
			if text := strings.Join(v.Text.literals(), ""); v.Kind == Text && secret {
				all = append(all, echo{p.Name, text})
			}
		}
	}
	return all
}

// standIn is what stands in a link for the first parameter with a secret: links
// are kept in databases.
const standIn = "larder-secret-"

// conceal puts stand-ins in the place of the secrets that an owner repeats in a
// link.
func conceal(u *url.URL, echoes []echo) {
	rewrite(u, func(name, value string) (string, bool) {
		i := slices.Index(echoes, echo{name, value})
		if i < 0 {
			return "", false
		}
		return standInOf(echoes, i), true
	})
}

// reveal is the reverse of conceal, on a copy.
func reveal(u *url.URL, echoes []echo) *url.URL {
	out := *u
	rewrite(&out, func(name, value string) (string, bool) {
		for i, e := range echoes {
			if e.name == name && value == standInOf(echoes, i) {
				return e.value, true
			}
		}
		return "", false
	})
	return &out
}

// standInOf counts among the parameters of one name, so that others may come
// and go.
func standInOf(echoes []echo, i int) string {
	n := 0
	for _, e := range echoes[:i] {
		if e.name == echoes[i].name {
			n++
		}
	}
	return standIn + string(rune('a'+n%26))
}

// withhold takes the parameters with secrets out of a query.
func withhold(u *url.URL, echoes []echo) {
	var kept []string
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if name, value := parameter(part); !slices.Contains(echoes, echo{name, value}) {
			kept = append(kept, part)
		}
	}
	u.RawQuery = strings.Join(kept, "&")
}

// rewrite gives parameters other values, and leaves all else as it is written.
func rewrite(u *url.URL, other func(name, value string) (string, bool)) {
	parts := strings.Split(u.RawQuery, "&")
	for i, part := range parts {
		if value, ok := other(parameter(part)); ok {
			written, _, _ := strings.Cut(part, "=")
			parts[i] = written + "=" + queryEscape(value)
		}
	}
	u.RawQuery = strings.Join(parts, "&")
}

// parameter reads a part of a query.
func parameter(part string) (name, value string) {
	name, value, _ = strings.Cut(part, "=")
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	if plain, err := url.QueryUnescape(value); err == nil {
		value = plain
	}
	return name, value
}
