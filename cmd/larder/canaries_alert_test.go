package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// heard is what each receiver was sent, by the path at which it listens.
type heard struct {
	mu   sync.Mutex
	sent map[string]string
	grew chan struct{}
}

func (h *heard) add(at, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sent[at] += text + "\n"
	select {
	case h.grew <- struct{}{}:
	default:
	}
}

func (h *heard) of(at string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent[at]
}

// ServeHTTP takes everything, and says back what it was sent, secrets too. The
// first message at each address is refused, so that what it says is told.
func (h *heard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	at := strings.Split(r.URL.Path, "/")[1]
	if at == "" || at == canaryOf("topic") {
		at = "ntfy"
	}
	first := h.of(at) == ""
	said := fmt.Sprint(r.Method, " ", r.URL, " ", r.Header, " ", string(body))
	h.add(at, said)
	if first {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprint(w, said)
}

// lines is a log that many write to.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// mails takes mails on a port of this machine, which needs no TLS.
func (h *heard) mails(t *testing.T) (addr string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go h.mail(conn)
		}
	}()
	return listener.Addr().String()
}

func (h *heard) mail(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 mail\r\n")
	said, inBody := bufio.NewScanner(conn), false
	for said.Scan() {
		line := said.Text()
		h.add("mail", line)
		word, _, _ := strings.Cut(strings.ToUpper(line), " ")
		switch {
		case inBody && line == ".":
			inBody = false
			fmt.Fprint(conn, "250 taken\r\n")
		case inBody:
		case word == "EHLO":
			fmt.Fprint(conn, "250-mail\r\n250 AUTH PLAIN\r\n")
		case word == "AUTH":
			fmt.Fprint(conn, "235 welcome\r\n")
		case word == "DATA":
			inBody = true
			fmt.Fprint(conn, "354 go on\r\n")
		case word == "QUIT":
			fmt.Fprint(conn, "221 bye\r\n")
			return
		default:
			fmt.Fprint(conn, "250 yes\r\n")
		}
	}
}

// canaryOf is the secret of a receiver: a word that no other has, in a form that
// each kind takes.
func canaryOf(what string) string { return "canary-" + what + "-canary" }

// webhookKeyOf is a secret of Standard Webhooks with a canary in it.
func webhookKeyOf(what string) string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte((canaryOf(what) + strings.Repeat("x", 30))[:30]))
}

const alertedConfig = `
consumer.app.database = "sqlite:DIR/app.db"
[larder]
home          = "DIR/home.db"
log           = { format = "json", level = "trace" }
listen        = "LISTEN"
startup_grace = "0s"
tokens        = { read = "${C_TOKENS}" }
heartbeat     = { url = "${C_HEARTBEAT}", every = "1s" }
[owner.users]
url   = "BASE/owner"
retry = { attempts = 1 }
[source.users]
schedule  = "@every 1s"
request   = { path = "/users", query = { since = "{since}" } }
records   = { key = "id", deleted = "never" }
watermark = "updated_at"
[[table]]
source  = "users"
budget  = { warn = "2s", critical = "3s" }
columns = { id = "bigint" }
[defaults.alert]
group  = "0s"
repeat = { warn = "1s", critical = "1s" }
[nudge.users]
secret = "${C_NUDGE_SIGNING}"
[nudge.bearer]
source = "users"
kind   = "bearer"
secret = "${C_NUDGE}"
`

// receiversOf are the alerts of all kinds that are sent to url and mail. A value
// from the environment is a whole value, so each address is one.
func receiversOf(t *testing.T, url, mail string) string {
	var text strings.Builder
	add := func(name, kind string, keys ...string) {
		fmt.Fprintf(&text, "[alert.%s]\nkind = %q\n", name, kind)
		for i := 0; i < len(keys); i += 2 {
			variable := "C_" + strings.ToUpper(name+"_"+keys[i])
			t.Setenv(variable, keys[i+1])
			fmt.Fprintf(&text, "%s = \"${%s}\"\n", keys[i], variable)
		}
	}
	add("hook", "webhook", "url", url+"/hook/"+canaryOf("hook"), "secret", webhookKeyOf("signed"))
	t.Setenv("C_GATE", canaryOf("gate"))
	text.WriteString("auth = { bearer = \"${C_GATE}\" }\n")
	add("slack", "slack", "url", url+"/slack/"+canaryOf("slack"))
	add("teams", "teams", "url", url+"/teams/"+canaryOf("teams")+"?sig="+canaryOf("sig"))
	add("discord", "discord", "url", url+"/discord/"+canaryOf("discord"))
	add("pager", "pagerduty", "url", url+"/pager/enqueue", "routing_key", canaryOf("routing"))
	add("ntfy", "ntfy", "url", url, "topic", canaryOf("topic"), "token", canaryOf("token"))
	add("mail", "email", "smtp", "smtp://user:"+canaryOf("mail")+"@"+mail)
	text.WriteString("from = \"larder@example.com\"\nto = \"oncall@example.com\"\n")
	add("am", "alertmanager")
	t.Setenv("C_AM", url+"/am/"+canaryOf("am"))
	t.Setenv("C_PASSWORD", canaryOf("password"))
	text.WriteString("urls = [\"${C_AM}\"]\nauth = { basic = { user = \"larder\", password = \"${C_PASSWORD}\" } }\n")
	add("program", "exec")
	text.WriteString("command = [\"sh\", \"-c\", \"cat >> DIR/program.txt; env >> DIR/program.txt\"]\n")
	add("log", "log")
	return text.String()
}

// canaryWords are all secrets, with whose receiver may see them.
func canaryWords() map[string]string {
	words := map[string]string{
		canaryOf("tokens"): "", canaryOf("nudge"): "", webhookKeyOf("nudge-signing"): "", webhookKeyOf("signed"): "", canaryOf("heartbeat"): "heartbeat",
		canaryOf("sig"): "teams", canaryOf("routing"): "pager", canaryOf("token"): "ntfy", canaryOf("topic"): "ntfy",
		canaryOf("gate"): "hook", canaryOf("password"): "", base64.StdEncoding.EncodeToString([]byte("larder:" + canaryOf("password"))): "am",
	}
	for _, one := range []string{"hook", "slack", "teams", "discord", "mail", "am"} {
		words[canaryOf(one)] = one
	}
	for _, signed := range []string{"nudge-signing", "signed"} {
		words[strings.TrimPrefix(webhookKeyOf(signed), "whsec_")], words[canaryOf(signed)] = "", ""
	}
	return words
}

// TestCanariesOfAlertsShowNowhere: no secret of a receiver, of a nudge, of
// whoever reads, or of the heartbeat is in anything that larder writes or sends,
// but to its own receiver, though each receiver says back what it was sent.
func TestCanariesOfAlertsShowNowhere(t *testing.T) {
	h := &heard{sent: make(map[string]string), grew: make(chan struct{}, 1)}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	listen := freeAddress(t)
	dir := t.TempDir()
	t.Setenv("C_TOKENS", canaryOf("tokens"))
	t.Setenv("C_NUDGE", canaryOf("nudge"))
	t.Setenv("C_NUDGE_SIGNING", webhookKeyOf("nudge-signing"))
	t.Setenv("C_HEARTBEAT", server.URL+"/heartbeat/"+canaryOf("heartbeat"))
	text := strings.Replace(alertedConfig, "${C_HEARTBEAT}", "${C_HEARTBEAT}", 1) + receiversOf(t, server.URL, h.mails(t))
	text = strings.NewReplacer("DIR", dir, "BASE", server.URL, "LISTEN", listen).Replace(text)
	file := filepath.Join(dir, "larder.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	command := commanding(t, file, &out)
	command(0, "validate")
	for _, receiver := range []string{"hook", "slack", "teams", "discord", "pager", "ntfy", "mail", "program", "log", "am"} {
		_ = run(t.Context(), []string{"alert", "test", receiver, "-c", file}, &out, &out)
	}
	ctx, stop := context.WithTimeout(t.Context(), 60*time.Second)
	var daemon lines
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"run", "-c", file}, io.Discard, &daemon) }()
	everybodyIsTold(t, ctx, h)
	for _, path := range []string{"/metrics", "/ping", "/ready", "/nudge/users", "/nudge/bearer"} {
		out.WriteString(asked(t, listen, path))
	}
	_ = run(t.Context(), []string{"status", "-c", file}, &out, &out)
	_ = run(t.Context(), []string{"status", "--json", "-c", file}, &out, &out)
	_ = run(t.Context(), []string{"alert", "list", "-c", file}, &out, &out)
	_ = run(t.Context(), []string{"plan", "-c", file}, &out, &out)
	stop()
	if code := <-ended; code != 0 {
		t.Errorf("the daemon exits %d: %s", code, &daemon.text)
	}
	eachKeyOnce(t, daemon.text.String())
	noneShows(t, h, dir, map[string]string{"what commands print": out.String(), "the log": daemon.text.String()})
}

// eachKeyOnce looks at a log: of a key that is in a line twice readers take one
// value or the other, or refuse the line.
func eachKeyOnce(t *testing.T, log string) {
	t.Helper()
	for line := range strings.Lines(log) {
		if _, err := jsontext.NewDecoder(strings.NewReader(line)).ReadValue(); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
}

// noneShows looks for all secrets in what was written, in the files of a folder,
// and in what receivers were sent.
func noneShows(t *testing.T, h *heard, dir string, written map[string]string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		held, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		written[filepath.Base(f)] = string(held)
	}
	for word, whose := range canaryWords() {
		for what, text := range written {
			if at := strings.Index(text, word); at >= 0 {
				t.Errorf("%s hold the secret of %q: %s", what, word, text[max(0, at-200):min(len(text), at+60)])
			}
		}
		if whose != "" && whose != "mail" && !strings.Contains(h.of(whose), word) { // mail has it in base64
			t.Errorf("%q is not sent %q, which is its own", whose, word)
		}
		h.mu.Lock()
		for at, text := range h.sent {
			if at != whose && strings.Contains(text, word) {
				t.Errorf("%q is sent what is of %q: %s", at, whose, word)
			}
		}
		h.mu.Unlock()
	}
}

// freeAddress is one of this machine that nobody listens to.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// everybodyIsTold returns when each receiver was sent a message after the one
// that it refused.
func everybodyIsTold(t *testing.T, ctx context.Context, h *heard) {
	t.Helper()
	for {
		missing := ""
		for _, at := range []string{"hook", "slack", "teams", "discord", "pager", "ntfy", "am", "mail", "heartbeat"} {
			if strings.Count(h.of(at), "\n") < 2 || !strings.Contains(h.of(at), "app.users") && at != "heartbeat" {
				missing += " " + at
			}
		}
		if missing == "" {
			return
		}
		select {
		case <-h.grew:
		case <-ctx.Done():
			t.Fatalf("nobody told%s", missing)
		}
	}
}

// asked is what larder answers somebody without a token.
func asked(t *testing.T, addr, path string) string {
	t.Helper()
	var all strings.Builder
	for _, header := range []string{"", "Bearer wrong", "Bearer " + canaryOf("nudge")} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(path, "/nudge") {
			req.Method = http.MethodGet
		}
		req.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Fprint(&all, resp.Status, resp.Header, string(body), err)
	}
	return all.String()
}
