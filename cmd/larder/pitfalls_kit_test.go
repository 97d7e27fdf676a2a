package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/larder-sync/larder/syncer/postgres/postgrestest"
)

// twin is an example whose tables are kept in two databases at once: by one
// poll, in SQLite and in Postgres.
type twin struct {
	*example
	dsn string
}

// newTwin puts an owner behind a configuration of one consumer, called app.
func newTwin(t *testing.T, text string, owner http.Handler) *twin {
	t.Helper()
	w := &twin{newRun(t, text, &door{owner: owner}), postgrestest.Database(t)}
	w.config = strings.ReplaceAll("consumer.other.database = \""+w.dsn+"\"\n"+w.config, "[[table]]\n", "[[table]]\nconsumer = [\"app\", \"other\"]\n")
	return w
}

// told is what a query of SQLite and one of Postgres answer, a line a row.
func (w *twin) told(sqlite, postgres string) [2][]string {
	w.t.Helper()
	rows, err := query(w.file, sqlite)
	if err != nil {
		w.t.Fatal(err)
	}
	lite := []string{}
	if rows != "" {
		lite = strings.Split(rows, ",")
	}
	return [2][]string{lite, w.postgres(postgres)}
}

// postgres is what a query of one text a row answers, or what a statement does.
func (w *twin) postgres(text string) []string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.dsn)
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(w.t.Context()))
	all, err := conn.Query(w.t.Context(), text, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		w.t.Fatal(err)
	}
	rows, err := pgx.CollectRows(all, pgx.RowTo[string])
	if err != nil {
		w.t.Fatal(err)
	}
	return append([]string{}, rows...)
}

// both compares what both databases tell with what they should.
func (w *twin) both(when, sqlite, postgres string, want ...string) {
	w.t.Helper()
	got := w.told(sqlite, postgres)
	for i, name := range []string{"SQLite", "Postgres"} {
		if diff := cmp.Diff(want, got[i]); diff != "" {
			w.t.Errorf("%s, %s (-want +got):\n%s", when, name, diff)
		}
	}
}
