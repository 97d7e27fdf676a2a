package config

import (
	"encoding/base64"
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// targetOf returns the keys that say where a receiver of a kind is: those it needs with an example of each, and those
// that it may have.
func targetOf(kind AlertKind) (needs [][2]string, may []string) {
	switch kind {
	case AlertWebhook:
		return [][2]string{{"url", `"${ALERT_URL}"`}, {"secret", `"${ALERT_SECRET}"`}}, []string{"auth"}
	case AlertAlertmanager:
		return [][2]string{{"urls", `["http://alertmanager:9093"]`}}, []string{"auth"}
	case AlertPagerDuty:
		return [][2]string{{"routing_key", `"${PAGERDUTY_KEY}"`}}, []string{"url"}
	case AlertSlack, AlertTeams, AlertDiscord:
		return [][2]string{{"url", `"${ALERT_URL}"`}}, nil
	case AlertNtfy:
		return [][2]string{{"topic", `"${NTFY_TOPIC}"`}}, []string{"url", "token"}
	case AlertEmail:
		return [][2]string{{"smtp", `"${SMTP_URL}"`}, {"from", `"larder@example.com"`}, {"to", `"oncall@example.com"`}}, nil
	case AlertExec:
		return [][2]string{{"command", `["/usr/local/bin/tell-us"]`}}, nil
	}
	return nil, nil
}

// targetKeys are the keys that say where some receiver is.
func targetKeys() []string {
	return []string{"url", "urls", "secret", "auth", "routing_key", "topic", "token", "smtp", "from", "to", "command"}
}

// target reads where the receiver is, by its kind.
func (r *reader) target(s section, a *Alert) {
	needs, may := targetOf(a.Kind)
	for _, n := range needs {
		s.need(n[0], n[0]+" = "+n[1])
		may = append(may, n[0])
	}
	for _, c := range s.n.below {
		if slices.Contains(targetKeys(), c.key) && !slices.Contains(may, c.key) {
			r.wrong(c, "is no key of kind %q%s", a.Kind, targetHint(may))
		}
	}
	auth := s.has("auth") && slices.Contains(may, "auth")
	if auth {
		a.Auth = r.auth(s.child("auth"), receiverAuthKinds())
	}
	guarded := a.Kind != AlertWebhook && a.Kind != AlertNtfy || s.has("token") || auth
	if n := s.child("url"); n != nil && slices.Contains(may, "url") {
		a.URL = r.secretURL(n, urlRules{guarded: guarded, bare: a.Kind == AlertNtfy})
		r.warnReadable(n, a.URL, "whoever is on the way can read the messages")
	}
	if n := s.child("urls"); n != nil && a.Kind == AlertAlertmanager {
		if n.kind == kindArray && len(n.below) == 0 {
			r.wrong(n, "the list is empty; name every Alertmanager of the cluster")
		}
		for _, one := range eachOf(n) {
			a.URLs = append(a.URLs, r.secretURL(one, urlRules{noQuery: true, guarded: auth}))
		}
	}
	if n := s.child("secret"); n != nil && a.Kind == AlertWebhook {
		a.Secrets = r.secrets(n, wrongSigning)
	}
	for _, one := range []struct {
		key  string
		kind AlertKind
		into *Secret
		fits func(string) string
	}{{"routing_key", AlertPagerDuty, &a.RoutingKey, wrongWord}, {"topic", AlertNtfy, &a.Topic, wrongTopic}, {"token", AlertNtfy, &a.Token, wrongWord}} {
		if n := s.child(one.key); n != nil && a.Kind == one.kind {
			*one.into = r.fit(n, one.fits)
		}
	}
	switch a.Kind {
	case AlertEmail:
		r.email(s, a)
	case AlertExec:
		a.Command = r.command(s)
	}
}

func targetHint(may []string) string {
	if len(may) == 0 {
		return "; leave it out"
	}
	return "; its own: " + strings.Join(slices.Sorted(slices.Values(may)), ", ")
}

// wrongWord refuses a key or token that no header or path can hold.
func wrongWord(text string) string {
	if text == "" || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' }) {
		return "must be one word of ASCII without slashes"
	}
	return ""
}

// wrongTopic refuses what ntfy does not take.
func wrongTopic(text string) string {
	if len(text) < 1 || len(text) > 64 || strings.ContainsFunc(text, func(c rune) bool { return !isNameChar(c) }) {
		return "must be 1 to 64 letters, digits, dashes and underscores"
	}
	return ""
}

// wrongSigning refuses what is no secret of Standard Webhooks.
func wrongSigning(text string) string {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) < 24 || len(raw) > 64 {
		return "must be whsec_ and the base64 of 24 to 64 random bytes, as printed by: echo whsec_$(openssl rand -base64 32)"
	}
	return ""
}

func (r *reader) email(s section, a *Alert) {
	if n := s.child("smtp"); n != nil {
		a.SMTP = r.fit(n, wrongServer)
	}
	if n := s.child("from"); n != nil {
		a.From = r.address(n)
	}
	n := s.child("to")
	if n == nil {
		return
	}
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; name at least one address")
	}
	for _, one := range eachOf(n) {
		a.To = append(a.To, r.address(one))
	}
}

// wrongServer refuses what is no mail server.
func wrongServer(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return `does not parse as a URL; write "smtp://USER:PASSWORD@HOST:587", with special characters of the password percent-encoded`
	case u.Scheme != "smtp" && u.Scheme != "smtps" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return `must be smtp://HOST:587 or smtps://HOST:465, with USER:PASSWORD@ before the host where the server wants them`
	}
	if password, _ := u.User.Password(); (u.User.Username() == "") != (password == "") {
		return "holds one of user and password; write USER:PASSWORD@ before the host, or neither"
	}
	return ""
}

func (r *reader) address(n *node) string {
	text, ok := r.text(n)
	if !ok {
		return ""
	}
	if _, err := mail.ParseAddress(text); err != nil {
		r.wrong(n, `%s is no address; write one such as "oncall@example.com"`, r.shown(n))
	}
	return text
}

// command reads a program and its arguments.
func (r *reader) command(s section) (all []string) {
	n := s.child("command")
	if n == nil {
		return nil
	}
	if n.kind != kindArray || len(n.below) == 0 {
		r.wrong(n, `is %s; write a list such as ["/usr/local/bin/tell-us", "--loud"]: no shell reads it`, n.whatOrNone())
		return nil
	}
	for i, one := range n.below {
		text, ok := r.text(one)
		if ok && (i == 0 && text == "" || strings.ContainsRune(text, 0)) {
			r.wrong(one, "is no program or argument; write a text")
		}
		all = append(all, text)
	}
	return all
}
