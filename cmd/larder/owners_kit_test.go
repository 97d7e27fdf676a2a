//go:build owners

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// server is one of the real owners.
type server struct {
	t        *testing.T
	dir, url string
	// answers are the statuses that larder got, as the proxy before the server
	// saw them.
	answers *atomic.Pointer[[]int]
	// midway is what happens in the midst of larder's asking.
	midway *atomic.Pointer[midway]
}

// midway is done when the server has answered some more requests of a kind,
// before larder gets the last of these answers.
type midway struct {
	answers atomic.Int32
	of      func(asked string) bool
	do      func()
}

// during has do happen behind the n-th answer, from here on, to requests whose
// query and body are of a kind. The function it returns asks that it did.
func (s server) during(n int32, of func(asked string) bool, do func()) (happened func()) {
	m := &midway{of: of, do: do}
	m.answers.Store(n)
	s.midway.Store(m)
	return func() {
		s.t.Helper()
		if left := m.answers.Load(); left > 0 {
			s.t.Errorf("larder asked %d times less than was waited for", left)
		}
		s.midway.Store(nil)
	}
}

// answered is told of each request that the server has answered.
func (m *midway) answered(r *http.Request) error {
	body, err := r.GetBody()
	if err != nil {
		return err
	}
	text, err := io.ReadAll(body)
	if err == nil && m.of(r.URL.RawQuery+string(text)) && m.answers.Add(-1) == 0 {
		m.do()
	}
	return err
}

func startServer(t *testing.T, name string) server {
	t.Helper()
	root := os.Getenv("LARDER_OWNERS")
	if root == "" {
		t.Fatal("LARDER_OWNERS must name the folder of owning servers")
	}
	s := server{t: t, dir: filepath.Join(root, name), answers: new(atomic.Pointer[[]int]), midway: new(atomic.Pointer[midway])}
	if out, err := exec.Command(filepath.Join(root, "reset.sh"), name).CombinedOutput(); err != nil {
		t.Fatalf("reset %s: %v: %s", name, err, out)
	}
	lines := strings.Split(strings.TrimSpace(s.run("start.sh")), "\n")
	s.url = s.proxy(lines[len(lines)-1])
	t.Cleanup(func() { s.run("stop.sh") })
	return s
}

// proxy stands before the server and notes its answers.
func (s server) proxy(base string) string {
	target, err := url.Parse(base)
	if err != nil {
		s.t.Fatal(err)
	}
	path := target.Path
	target.Path = ""
	p := httputil.NewSingleHostReverseProxy(target)
	p.ModifyResponse = func(r *http.Response) error {
		if m := s.midway.Load(); m != nil {
			if err := m.answered(r.Request); err != nil {
				return err
			}
		}
		seen := []int{r.StatusCode}
		if old := s.answers.Load(); old != nil {
			seen = append(slices.Clone(*old), seen...)
		}
		s.answers.Store(&seen)
		return nil
	}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body, _ = r.GetBody()
		p.ServeHTTP(w, r)
	}))
	s.t.Cleanup(front.Close)
	return front.URL + path
}

// run runs one of the server's scripts. Output goes through a file, because a
// started server keeps the descriptor.
func (s server) run(script string, args ...string) string {
	s.t.Helper()
	out, err := os.CreateTemp(s.t.TempDir(), "out")
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(filepath.Join(s.dir, script), args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		s.t.Errorf("%s: %v: %s", script, err, readFile(s.t, out.Name()))
	}
	return readFile(s.t, out.Name())
}

// ownersConsumer is a copy of an owner's rows in one kind of database.
type ownersConsumer struct {
	name, config, dsn, query string
	// truth are the words that have truth.sh print what query does.
	truth []string
}

func consumers(t *testing.T, text, base, sqliteQuery, postgresQuery string) []ownersConsumer {
	all := []ownersConsumer{
		{name: "sqlite", dsn: "sqlite:" + filepath.Join(t.TempDir(), "app.db"), query: sqliteQuery},
		{name: "postgres", dsn: postgrestest.Database(t), query: postgresQuery},
	}
	for i := range all {
		all[i].config = filepath.Join(t.TempDir(), "larder.toml")
		if err := os.WriteFile(all[i].config, fmt.Appendf(nil, text, all[i].dsn, base), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func (c ownersConsumer) tryPoll(t *testing.T) (string, int) {
	var out bytes.Buffer
	code := run(t.Context(), []string{"poll", "-c", c.config}, &out, &out)
	return out.String(), code
}

func (c ownersConsumer) poll(t *testing.T) {
	t.Helper()
	if out, code := c.tryPoll(t); code != 0 {
		t.Fatalf("poll exits %d: %s", code, out)
	}
}

// equals compares the truth with the copy, line by line.
func (c ownersConsumer) equals(t *testing.T, s server, when string) {
	t.Helper()
	if extra := c.holds(t, s, when); extra != 0 {
		t.Errorf("%s: the copy has %d rows more than the owner", when, extra)
	}
}

// holds asks that each row of the truth is in the copy, and says how many more
// the copy has.
func (c ownersConsumer) holds(t *testing.T, s server, when string) (extra int) {
	t.Helper()
	want := strings.Split(strings.TrimSpace(s.run("truth.sh", c.truth...)), "\n")
	got := c.lines(t, c.query)
	held := make(map[string]string)
	for _, l := range got {
		id, text := normal(t, l)
		held[id] = text
	}
	wrong := 0
	for _, l := range want {
		id, text := normal(t, l)
		if held[id] != text {
			if wrong++; wrong <= 5 {
				t.Errorf("%s: row %s is %s, the owner's is %s", when, id, held[id], text)
			}
		}
	}
	if wrong > 5 {
		t.Errorf("%s: %d rows differ in all", when, wrong)
	}
	t.Logf("%s, %s: %d rows compared with %d of the copy", c.name, when, len(want), len(got))
	return len(got) - len(want)
}

// normal brings a JSON row to one form: members sorted, numbers and instants by
// value.
func normal(t *testing.T, text string) (id, form string) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var row map[string]any
	if err := dec.Decode(&row); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	for name, v := range row {
		switch v := v.(type) {
		case json.Number:
			r, ok := new(big.Rat).SetString(v.String())
			if !ok {
				t.Fatalf("%q is no number", v)
			}
			row[name] = r.RatString()
		case string:
			if at, err := time.Parse(time.RFC3339, v); err == nil {
				row[name] = at.UTC()
			}
		}
	}
	return fmt.Sprint(row["id"]), fmt.Sprint(row)
}

// watchWrites notes every write to the copy and to the bookkeeping in a table
// of the consumer's own, by triggers, which larder leaves alone.
func (c ownersConsumer) watchWrites(t *testing.T) {
	t.Helper()
	c.lines(t, `create table writes (what text)`)
	if strings.HasPrefix(c.dsn, "sqlite:") {
		for _, event := range []string{"insert", "update", "delete"} {
			c.lines(t, `create trigger watch_rows_`+event+` after `+event+` on items begin insert into writes values ('rows'); end`)
		}
		c.lines(t, `create trigger watch_bookkeeping after update on larder_watermark begin insert into writes values ('bookkeeping'); end`)
		return
	}
	for _, sql := range []string{
		`create function watch() returns trigger language plpgsql security definer as $$ begin insert into public.writes values (tg_argv[0]); return null; end $$`,
		`create trigger watch_rows after insert or update or delete on items for each row execute function watch('rows')`,
		`create trigger watch_bookkeeping after insert or update or delete on larder.watermark for each row execute function watch('bookkeeping')`,
	} {
		c.lines(t, sql)
	}
}

func (c ownersConsumer) lines(t *testing.T, query string) []string {
	t.Helper()
	var out []string
	if file, ok := strings.CutPrefix(c.dsn, "sqlite:"); ok {
		conn, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		err = sqlitex.ExecuteTransient(conn, query, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			out = append(out, s.ColumnText(0))
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	out, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
