package notify

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/larder-sync/larder/syncer/alert"
)

const (
	// leastSecret is how long a secret must be to be hidden: what is shorter
	// stands in too many texts, which nobody could read any more.
	leastSecret = 4
	// leastSegment is from when on a part of an address is hidden by itself.
	leastSegment = 12
	// mostAnswer is how many characters of what others say are shown.
	mostAnswer = 300
)

// hider takes our secrets out of what others say, as they are and as URLs, JSON
// and Base64 write them.
type hider struct{ of *strings.Replacer }

func newHider(secrets ...string) *hider {
	var forms []string
	for _, s := range secrets {
		if len(s) < leastSecret {
			continue
		}
		quoted, _ := json.Marshal(s) // no text fails to encode
		forms = append(forms, s, url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`), strings.Trim(strconv.Quote(s), `"`),
			base64.StdEncoding.EncodeToString([]byte(s)))
	}
	// The longest first, so that no secret hides behind one that it begins with.
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, form := range slices.Compact(forms) {
		pairs = append(pairs, form, "[secret]")
	}
	return &hider{strings.NewReplacer(pairs...)}
}

// line is what others say in one bounded line. Secrets are looked for before and
// after characters are taken out, which could part or cover one.
func (h *hider) line(s string) string {
	s = h.of.Replace(s)
	return h.of.Replace(alert.Plain(s, mostAnswer))
}

// addressSecrets are what of an address nobody may read: all behind its host,
// and each part of that which is long enough to be a key.
func addressSecrets(u *url.URL) []string {
	out := []string{u.String(), u.Redacted(), u.RequestURI(), u.RawQuery, u.Opaque}
	if len(u.Path) > 1 {
		out = append(out, u.Path, u.EscapedPath())
	}
	for _, part := range strings.Split(u.Path, "/") {
		if len(part) >= leastSegment {
			out = append(out, part)
		}
	}
	for _, values := range u.Query() {
		out = append(out, values...)
	}
	if u.User != nil {
		password, _ := u.User.Password()
		out = append(out, u.User.String(), password)
	}
	return slices.DeleteFunc(out, func(s string) bool { return s == "/" })
}
