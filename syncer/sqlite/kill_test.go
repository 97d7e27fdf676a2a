package sqlite_test

import (
	"bufio"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/sqlite"
)

// The environment tells a process that it is the one to be killed: on which
// file, and in which kind of walk.
const victimFile, victimKind = "LARDER_SQLITE_VICTIM", "LARDER_SQLITE_KIND"

// TestKilledWriter kills a process that writes batch after batch, again and
// again. No row is lost or lies beyond the position, whenever it died, and one
// walk after that completes.
func TestKilledWriter(t *testing.T) {
	if file := os.Getenv(victimFile); file != "" {
		writeUntilKilled(t, file, syncer.WalkKind(os.Getenv(victimKind)))
	}
	for _, kind := range []syncer.WalkKind{syncer.Changes, syncer.Snapshot} {
		t.Run(string(kind), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "consumer.db")
			own := plain(t, file)
			for range 10 {
				kill(t, file, kind, rand.IntN(12))
				exec(t, own, `UPDATE larder_lease SET expires_at = 0`) // the dead writer's
				rows, last, at := number(t, own, `SELECT count(*) FROM people`), number(t, own, `SELECT max(id) FROM people`), number(t, own, `SELECT resume ->> 'cursor' FROM larder_watermark`)
				if rows != last || at > rows {
					t.Fatalf("%d rows up to %d, position at %d", rows, last, at)
				}
				// A walk that has to note keys begins again where notes are lost.
				if kind == syncer.Changes && at != rows {
					t.Fatalf("%d rows, position at %d", rows, at)
				}
			}
			completeWalk(t, file, kind, number(t, own, `SELECT count(*) FROM people`))
		})
	}
}

// completeWalk goes on where the last writer died, or from the start.
func completeWalk(t *testing.T, file string, kind syncer.WalkKind, rows int) {
	t.Helper()
	if rows == 0 {
		t.Fatal("no batch was written before any kill")
	}
	table, at := takeOver(t, file)
	w := syncer.Walk{ID: "walk", Kind: kind, Sent: time.Now()}
	for ; at < rows; at++ {
		apply(t, table, w, person(at+1, "Ada", "00:01"))
	}
	if s := settle(t, table, w, syncer.End{Listed: kind.Listing()}); s.Swept+s.Held+s.Waiting > 0 {
		t.Errorf("settle after %d rows: %+v", rows, s)
	}
}

// number reads a single number, 0 for null.
func number(t *testing.T, own *sql.DB, query string) int {
	t.Helper()
	n, _ := strconv.ParseFloat(one(t, own, query), 64)
	return int(n)
}

// kill starts a writer, waits until it has told of n batches, and kills it
// wherever it is by then.
func kill(t *testing.T, file string, kind syncer.WalkKind, n int) {
	t.Helper()
	c := osexec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	c.Env = append(os.Environ(), victimFile+"="+file, victimKind+"="+string(kind))
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	told := bufio.NewScanner(out)
	for range n + 1 {
		if !told.Scan() {
			t.Error("the writer ended by itself")
			break
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for told.Scan() {
		continue
	}
	_ = c.Wait()
}

// takeOver takes the lease and reads where the walk stands.
func takeOver(t *testing.T, file string) (table *sqlite.Table, at int) {
	t.Helper()
	db := open(t, file, strconv.Itoa(os.Getpid()))
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table = db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	st, err := table.Standing(t.Context(), syncer.Partition{})
	if err != nil {
		t.Fatal(err)
	}
	if r := st.Position.Resume; r != nil {
		at, _ = strconv.Atoi(r.Cursor)
	}
	return table, at
}

// writeUntilKilled adds one row a transaction from where the walk stands.
func writeUntilKilled(t *testing.T, file string, kind syncer.WalkKind) {
	table, at := takeOver(t, file)
	w := syncer.Walk{ID: "walk", Kind: kind, Sent: time.Now()}
	fmt.Println("ready")
	for {
		at++
		r := &syncer.Resume{Walk: w.ID, Kind: kind, Sent: w.Sent, Cursor: strconv.Itoa(at)}
		batch := &syncer.Batch{Records: []syncer.Record{person(at, "Ada", "00:01")}, Resume: r}
		if _, err := table.Apply(t.Context(), w, []*syncer.Batch{batch}); err != nil {
			t.Fatal(err)
		}
		fmt.Println(at)
	}
}
