package sources

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestNextLink(t *testing.T) {
	for header, want := range map[string]string{
		`<https://a/2>; rel="next"`:                                       "https://a/2",
		`<https://a/2>; rel=next`:                                         "https://a/2",
		`<https://a/2>;rel="NEXT"`:                                        "https://a/2",
		`<https://a/1>; rel="prev", <https://a/3>; rel="next"`:            "https://a/3",
		`<https://a/1>; rel="prev",<https://a/3>; rel="last"`:             "",
		`<https://a/3>; rel="prev next"`:                                  "https://a/3",
		`<https://a/3>; rel="prev"; rel="next"`:                           "",
		`<https://a/3?x=1,2;y>; title="a, <b>; rel=\"next\""; rel="next"`: "https://a/3?x=1,2;y",
		`<https://a/3>; title="; rel=next"`:                               "",
		`<https://a/3>; rel="nextpage"`:                                   "",
		`<?page=2> ; rel = "next"`:                                        "?page=2",
		`<https://a/3>; crossorigin; rel="next"`:                          "https://a/3",
		`<https://a/3; rel="next"`:                                        "",
		`https://a/3; rel="next"`:                                         "",
		`<>; rel="next"`:                                                  "",
		``:                                                                "",
		`,,<https://a/3>;;rel=next`:                                       "https://a/3",
	} {
		if got, ok := nextLink([]string{header}); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", header, got, ok, want)
		}
	}
	if got, _ := nextLink([]string{`<https://a/1>; rel="first"`, `<https://a/2>; rel="next"`}); got != "https://a/2" {
		t.Errorf("second header: %q", got)
	}
}

func FuzzNextLink(f *testing.F) {
	f.Add(`<https://a/3?x=1,2;y>; title="a, <b>; rel=\"next\""; rel="next"`)
	f.Add(`<a>; rel=next, <`)
	f.Fuzz(func(t *testing.T, header string) {
		link, ok := nextLink([]string{header})
		if ok && (link == "" || !strings.Contains(header, "<"+link) && !strings.Contains(header, link)) {
			t.Errorf("%q gives %q", header, link)
		}
		if got, ok := nextLink([]string{`<first>; rel="first"`, header, `<last>; rel="next"`}); !ok || link != "" && got != link {
			t.Errorf("%q among others gives %q", header, got)
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"120", "1.5", "-1", "99999999999999999999", "Mon, 23 Nov 2026 12:00:00 GMT", "Monday, 23-Nov-26 12:00:00 GMT", "1e9", "."} {
		f.Add(s, "Mon, 23 Nov 2026 11:00:00 GMT")
	}
	f.Fuzz(func(t *testing.T, text, date string) {
		h := http.Header{"Retry-After": {text}, "Date": {date}}
		wait, ok := retryAfter(h)
		if wait < 0 || !ok && wait != 0 {
			t.Errorf("wait %v, %v", wait, ok)
		}
		told := (&quota{}).rests(429, h)
		for attempt := range 70 {
			if w := backoff(time.Second, time.Minute, attempt, told); w < time.Second || w > time.Minute {
				t.Errorf("backoff %v", w)
			}
			if w := backoff(time.Second, time.Minute, attempt, rest{}); w < time.Second || w > time.Minute {
				t.Errorf("backoff %v", w)
			}
		}
	})
}

// FuzzFollow: whatever an owner links to, it is on its own origin, and the URL
// that is asked parses back to itself.
func FuzzFollow(f *testing.F) {
	for _, s := range []string{"?page=2", "//evil", "https:evil", `\\evil`, "https://owner.example@evil/", "/%2e%2e/", "/a b?c=d e", "https://owner.example:443/"} {
		f.Add(s)
	}
	home, _ := url.Parse("https://owner.example/v1/list?a=b")
	f.Fuzz(func(t *testing.T, link string) {
		u, err := hosts{origin: originOf(home)}.follow(home, link)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil || originOf(again) != originOf(home) || again.User != nil || again.String() != u.String() {
			t.Errorf("%q leads to %q: %v", link, u, err)
		}
	})
}

// FuzzTemplate: any value, placed anywhere, is read back as it was.
func FuzzTemplate(f *testing.F) {
	f.Add("a+b c", "x={")
	f.Add("..", "")
	f.Fuzz(func(t *testing.T, value, literal string) {
		if !utf8.ValidString(value) {
			return // broken text does not come this far
		}
		look := func(Part) []byte { return quote(value) }
		hole := Part{Placeholder: "each", Field: "v"}
		for _, plus := range []bool{false, true} {
			query, err := encodeQuery([]Param{{Name: "n" + literal, Values: []Value{TextValue(Template{{Literal: literal}, hole})}}}, plus, look)
			if err != nil {
				t.Fatal(err)
			}
			values, err := url.ParseQuery(query)
			if err != nil || len(values) != 1 || values.Get("n"+literal) != literal+value {
				t.Errorf("query %q: %v", query, err)
			}
		}
		if path, ok, err := (Template{{Literal: "/"}, hole}).expand(look, pathSegment); err == nil {
			u, err := url.Parse("https://owner.example" + path)
			if err != nil || !ok || u.Path != "/"+value || strings.Count(u.EscapedPath(), "/") != 1 {
				t.Errorf("path %q: %v", path, err)
			}
		}
	})
}

// FuzzForm: what a standard server reads in a form is what was meant: texts as
// they are, lists as repeated parameters, tables as JSON.
func FuzzForm(f *testing.F) {
	f.Add("expand[]", "a+b c", "=%/+&;", true)
	f.Add("", "", "\x00\r\n", false)
	f.Add("é", `"{}[]`, "\u2028<>", false)
	f.Fuzz(func(t *testing.T, name, one, two string, plus bool) {
		if !utf8.ValidString(name) || !utf8.ValidString(one) || !utf8.ValidString(two) {
			return // broken text does not come this far
		}
		look := func(p Part) []byte {
			if p.Field == "two" {
				return quote(two)
			}
			return quote(one)
		}
		hole := func(name string) Value { return TextValue(Template{{Placeholder: "each", Field: name}}) }
		a := &asker{request: Request{Plus: plus, ContentType: "application/x-www-form-urlencoded; charset=utf-8", Body: &Value{Kind: Object, Members: []Member{
			{Name: "l" + name, Value: Value{Kind: List, Items: []Value{hole("one"), hole("two")}}},
			{Name: "t" + name, Value: Value{Kind: Object, Members: []Member{{Name: one, Value: hole("two")}}}},
		}}}}
		body, err := a.body(step{first: true}, look)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequest(http.MethodPost, "https://owner.example", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", a.request.ContentType)
		if err := r.ParseForm(); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		table := map[string]string{}
		if err := json.Unmarshal([]byte(r.PostForm.Get("t"+name)), &table); err != nil || len(table) != 1 || table[one] != two {
			t.Errorf("%q: table %v: %v", body, table, err)
		}
		if list := r.PostForm["l"+name]; len(r.PostForm) != 2 || len(list) != 2 || list[0] != one || list[1] != two {
			t.Errorf("%q: %v", body, r.PostForm)
		}
	})
}

// TestLinkLocalAddressesAreNotDialled, unless one is the owner's own.
func TestLinkLocalAddressesAreNotDialled(t *testing.T) {
	at := func(text string) origin {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		return originOf(u)
	}
	for _, c := range []struct {
		owner, address string
		want           bool
	}{
		{"https://owner.example", "169.254.169.254:80", true},
		{"https://owner.example", "[fe80::1%eth0]:80", true},
		{"https://owner.example", "[::ffff:169.254.169.254]:80", true},
		{"https://owner.example", "[fd00:ec2::254]:80", true},
		{"https://owner.example", "nonsense", true},
		{"https://owner.example", "10.0.0.1:80", false},
		{"https://owner.example", "127.0.0.1:80", false},
		{"https://owner.example", "[::1]:80", false},
		{"http://169.254.1.2:8080", "169.254.1.2:8080", false},
		{"http://169.254.1.2:8080", "169.254.169.254:8080", true},
	} {
		if got := at(c.owner).blockedAddress(c.address); got != c.want {
			t.Errorf("%s at %s: blocked %v", c.owner, c.address, got)
		}
	}
}
