package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"larder": main}) }

// The scripts are the specification of the commands. Each has an owner of its
// own at $OWNER, which serves the script's files; see scriptOwner.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			owner := httptest.NewServer(scriptOwner{dir: env.WorkDir})
			env.Defer(owner.Close)
			env.Setenv("OWNER", owner.URL)
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "sql": sql, "change": change, "eventually": eventually,
		},
	})
}

// exits CODE COMMAND… runs a command that must exit with the code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%v exits %d, want %d", args[1:], got, want)
	}
}

// sql FILE QUERY WANT compares a query's rows, columns joined by a bar and rows
// by a comma, with WANT.
func sql(ts *testscript.TestScript, neg bool, args []string) {
	got, err := query(ts.MkAbs(args[0]), args[1])
	ts.Check(err)
	if (got == args[2]) == neg {
		ts.Fatalf("%s: %s gives %q, want %q", args[0], args[1], got, args[2])
	}
}

// change FILE STATEMENT changes what is in a file behind larder's back.
func change(ts *testscript.TestScript, _ bool, args []string) {
	conn, err := sqlite.OpenConn(ts.MkAbs(args[0]), sqlite.OpenReadWrite, sqlite.OpenCreate)
	ts.Check(err)
	defer conn.Close()
	conn.SetBusyTimeout(5 * time.Second)
	ts.Check(sqlitex.ExecuteScript(conn, args[1], nil))
}

// eventually FILE QUERY WANT waits until a query gives WANT, for what a daemon
// does in the background.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		got, err := query(ts.MkAbs(args[0]), args[1])
		if err == nil && got == args[2] {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s: %s gives %q, %v; want %q", args[0], args[1], got, err, args[2])
		}
	}
}

func query(file, text string) (string, error) {
	conn, err := sqlite.OpenConn(file, sqlite.OpenReadOnly)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetBusyTimeout(5 * time.Second)
	var rows []string
	err = sqlitex.ExecuteTransient(conn, text, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		var columns []string
		for i := range s.ColumnCount() {
			columns = append(columns, s.ColumnText(i))
		}
		rows = append(rows, strings.Join(columns, "|"))
		return nil
	}})
	return strings.Join(rows, ","), err
}

// scriptOwner is an owning service that serves files of the script's folder:
// GET /NAME lists the records of NAME.json, two a page, as
// {"data": […], "meta": {"next_cursor": …}}, of those with updated_at at or
// after ?since=. If the file NAME.answer is there, that is the answer instead:
// its first line is status and content type, the rest the body. NAME?QUERY.answer
// is the answer to that query alone. If NAME.auth is there, requests whose
// Authorization is another text are answered with 401.
type scriptOwner struct{ dir string }

func (o scriptOwner) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := filepath.Join(o.dir, filepath.Base(r.URL.Path))
	if want, err := os.ReadFile(name + ".auth"); err == nil && r.Header.Get("Authorization") != strings.TrimSpace(string(want)) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	raw, err := os.ReadFile(name + "?" + r.URL.RawQuery + ".answer")
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = os.ReadFile(name + ".answer")
	}
	if !errors.Is(err, fs.ErrNotExist) {
		head, body, _ := strings.Cut(string(raw), "\n")
		status, kind, _ := strings.Cut(head, " ")
		code, _ := strconv.Atoi(status)
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(code)
		fmt.Fprint(w, body)
		return
	}
	raw, err = os.ReadFile(name + ".json")
	var all, page []map[string]any
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	offset, _ := strconv.Atoi(r.FormValue("cursor"))
	var next any
	for i, record := range all {
		if at, _ := record["updated_at"].(string); i < offset || at < r.FormValue("since") {
			continue
		}
		if len(page) == 2 {
			next = strconv.Itoa(i)
			break
		}
		page = append(page, record)
	}
	if page == nil {
		page = []map[string]any{}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"data": page, "meta": map[string]any{"next_cursor": next}})
}
