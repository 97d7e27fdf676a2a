package sources

import "strings"

// nextLink finds the target of rel="next" in Link headers (RFC 8288). What is
// malformed ends the reading of that one header.
func nextLink(headers []string) (string, bool) {
	for _, h := range headers {
		for rest := h; ; {
			rest = strings.TrimLeft(rest, " \t,")
			if !strings.HasPrefix(rest, "<") {
				break
			}
			target, after, ok := strings.Cut(rest[1:], ">")
			if !ok {
				break
			}
			rel, tail := linkRel(after)
			if rel && strings.TrimSpace(target) != "" {
				return strings.TrimSpace(target), true
			}
			rest = tail
		}
	}
	return "", false
}

// linkRel reads the parameters behind a target and reports whether the first
// rel among them names "next"; tail is what follows the link.
func linkRel(s string) (next bool, tail string) {
	seen := false
	for {
		s = strings.TrimLeft(s, " \t")
		if !strings.HasPrefix(s, ";") {
			break
		}
		s = strings.TrimLeft(s[1:], " \t")
		end := strings.IndexAny(s, "=;,")
		if end < 0 {
			return next, ""
		}
		name := strings.TrimSpace(s[:end])
		if s[end] != '=' {
			s = s[end:]
			continue
		}
		var value string
		value, s = linkValue(strings.TrimLeft(s[end+1:], " \t"))
		if strings.EqualFold(name, "rel") && !seen {
			seen = true
			for one := range strings.FieldsSeq(value) {
				next = next || strings.EqualFold(one, "next")
			}
		}
	}
	return next, s
}

// linkValue reads a token or a quoted string.
func linkValue(s string) (value, rest string) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexAny(s, ";, \t")
		if end < 0 {
			return s, ""
		}
		return s[:end], s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:]
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}
