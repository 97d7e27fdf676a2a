package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// trouble is what goes wrong besides single requests.
func (w *soakWorld) trouble(t *testing.T) {
	t.Helper()
	switch w.draw(12) {
	case 0:
		w.goDown(fmt.Sprintf("owner%02d.example", w.draw(w.owners)), "owner down", 30*time.Second+time.Duration(w.draw(int(4*time.Minute))))
	case 1:
		w.goDown([]string{"hooks.example", "chat.example", "beat.example"}[w.draw(3)], "receiver down", time.Duration(w.draw(int(2*time.Minute))))
	case 2:
		w.takeLease(t, w.drawn())
	case 3, 4:
		w.lockFile(t, w.drawn())
	case 5, 6, 7:
		w.note("nudge")
		if err := w.ask(http.MethodPost, "/nudge/first"); err != nil {
			t.Errorf("nudge: %v", err)
		}
	}
}

func (w *soakWorld) goDown(host, fault string, d time.Duration) {
	w.note(fault)
	w.fleet.mu.Lock()
	defer w.fleet.mu.Unlock()
	w.down[host] = time.Now().Add(d)
}

// drawn is one of the consumers.
func (w *soakWorld) drawn() string {
	return w.parts.consumers[w.draw(len(w.parts.consumers))].Name
}

// takeLease is another daemon, which goes again soon.
func (w *soakWorld) takeLease(t *testing.T, consumer string) {
	t.Helper()
	w.note("lease taken")
	var err error
	switch c := w.reads[consumer].(type) {
	case consumedPostgres:
		err = c.exec(t.Context(), `UPDATE larder.lease SET generation = generation + 1, holder = 'another daemon', expires_at = now() + interval '7 seconds'`)
	case consumedSQLite:
		err = c.do(func(conn *sqlite.Conn) error {
			return sqlitex.ExecuteScript(conn, `UPDATE larder_lease SET generation = generation + 1, holder = 'another daemon', expires_at = unixepoch('subsec') + 7`, nil)
		})
	}
	if err != nil {
		t.Errorf("take the lease of %s: %v", consumer, err)
	}
}

// lockFile is somebody who writes to a consumer's database for seconds on end.
func (w *soakWorld) lockFile(t *testing.T, consumer string) {
	t.Helper()
	lasts := time.Duration(1+w.draw(8)) * time.Second
	file, ok := w.reads[consumer].(consumedSQLite)
	if !ok {
		return
	}
	w.note("file locked")
	w.held.Go(func() {
		err := file.do(func(conn *sqlite.Conn) error {
			if err := sqlitex.ExecuteScript(conn, "CREATE TABLE IF NOT EXISTS others (n)", nil); err != nil {
				return err
			}
			end, err := sqlitex.ImmediateTransaction(conn)
			if err != nil {
				return err
			}
			defer end(&err)
			time.Sleep(lasts)
			return sqlitex.Execute(conn, "INSERT INTO others VALUES (1)", nil)
		})
		if err != nil && sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy {
			t.Errorf("lock the file of %s: %v", consumer, err)
		}
	})
}

// do does something on a connection of its own.
func (c consumedSQLite) do(do func(*sqlite.Conn) error) error {
	conn, err := sqlite.OpenConn(c.file, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	conn.SetBusyTimeout(20 * time.Second)
	return errors.Join(do(conn), conn.Close())
}

// tell keeps the clock of Postgres right, to a second.
func (w *soakWorld) tell(t *testing.T, stop <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		if err := w.pg.tell(context.Background()); err != nil {
			t.Errorf("tell Postgres what time it is: %v", err)
			return
		}
		select {
		case <-tick.C:
		case <-stop:
			return
		}
	}
}

// ask asks the daemon's own server.
func (w *soakWorld) ask(method, path string) error {
	r, err := http.NewRequest(method, "http://"+w.door.Addr().String()+path, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer 0123456789abcdef")
	resp, err := w.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	accepted := []int{http.StatusOK, http.StatusAccepted, http.StatusServiceUnavailable} // who stands by takes no nudge
	if err == nil && !slices.Contains(accepted, resp.StatusCode) {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	return err
}

// soakDoor is a listener without sockets, which would keep the bubble's clock.
type soakDoor struct {
	come   chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newSoakDoor() *soakDoor {
	return &soakDoor{come: make(chan net.Conn), closed: make(chan struct{})}
}

func (d *soakDoor) listen(context.Context, string) (net.Listener, error) { return d, nil }

func (d *soakDoor) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case d.come <- theirs:
		return ours, nil
	case <-d.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (d *soakDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.come:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (d *soakDoor) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}

// Addr implements net.Listener.
func (d *soakDoor) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8420} }

// soakLog counts what is logged, and keeps a little of it.
type soakLog struct {
	mu     sync.Mutex
	errors int
	first  []string
}

// Write implements io.Writer.
func (l *soakLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if strings.Contains(string(p), `"level":"error"`) {
		if l.errors++; len(l.first) < 5 {
			l.first = append(l.first, string(p))
		}
	}
	return len(p), nil
}
