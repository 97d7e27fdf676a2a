package sqlite_test

import (
	"bufio"
	"errors"
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

const victimFile = "LARDER_SQLITE_VICTIM"

// TestKilledWriter kills a process that writes batch after batch, again and
// again. Rows and position agree whenever it died, and the walk goes on from
// there; its notes either add up or are known to be lost.
func TestKilledWriter(t *testing.T) {
	if file := os.Getenv(victimFile); file != "" {
		writeUntilKilled(t, file)
	}
	file := filepath.Join(t.TempDir(), "consumer.db")
	own := plain(t, file)
	for range 15 {
		kill(t, file, rand.IntN(12))
		if got := one(t, own, `SELECT count(*) = coalesce(max(id), 0) AND count(*) = (SELECT CAST(coalesce(max(json_extract(resume, '$.cursor')), 0) AS INTEGER) FROM larder_watermark) FROM people`); got != "1" {
			t.Fatalf("rows and position disagree: %s rows, at %s", one(t, own, `SELECT count(*) FROM people`), one(t, own, `SELECT resume FROM larder_watermark`))
		}
		exec(t, own, `UPDATE larder_lease SET expires_at = 0`) // the dead writer's
	}
	rows := one(t, own, `SELECT count(*) FROM people`)
	if rows == "0" {
		t.Fatal("no batch was written before any kill")
	}
	_, table := takeOver(t, file)
	s, err := table.Settle(t.Context(), snapshot("walk"), syncer.Settlement{End: &syncer.End{Listed: true}})
	if err != nil && !errors.Is(err, syncer.ErrListLost) || s.Swept+s.Held+s.Waiting > 0 {
		t.Errorf("settle after %s rows: %+v, %v", rows, s, err)
	}
}

// kill starts a writer, waits until it has told of n batches, and kills it
// wherever it is by then.
func kill(t *testing.T, file string, n int) {
	t.Helper()
	c := osexec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	c.Env = append(os.Environ(), victimFile+"="+file)
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

func takeOver(t *testing.T, file string) (*sqlite.Database, *sqlite.Table) {
	t.Helper()
	db := open(t, file, strconv.Itoa(os.Getpid()))
	if err := db.Acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := db.Table(people())
	if err := table.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db, table
}

// writeUntilKilled adds one row a transaction from where the walk stands.
func writeUntilKilled(t *testing.T, file string) {
	_, table := takeOver(t, file)
	st, err := table.Standing(t.Context(), syncer.Partition{})
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	if r := st.Position.Resume; r != nil {
		at, _ = strconv.Atoi(r.Cursor)
	}
	fmt.Println("ready")
	for {
		at++
		r := &syncer.Resume{Walk: "walk", Kind: syncer.Snapshot, Sent: time.Now(), Cursor: strconv.Itoa(at)}
		batch := &syncer.Batch{Records: []syncer.Record{person(at, "Ada", "00:01")}, Resume: r}
		if _, err := table.Apply(t.Context(), snapshot("walk"), []*syncer.Batch{batch}); err != nil {
			t.Fatal(err)
		}
		fmt.Println(at)
	}
}
