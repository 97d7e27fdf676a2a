package postgrestest

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

//go:embed keep.sh
var keepScript string

// Server is a running Postgres. Its methods may be called by several goroutines.
type Server struct {
	admin  string // of a superuser
	public string // what the DSNs of databases are made from
	own    *cluster
}

// Addr is the server's address on loopback, as host:port. Only a server of Start has one. It
// stays the same over Stop and Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", s.own.port) }

// Stop ends the server as a crash would: every connection breaks, nothing is flushed. What was
// committed is there after Restart.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if err := s.own.order("stop"); err != nil {
		tb.Fatal(err)
	}
}

// Shut ends the server as its operator would: transactions are rolled back, everybody is told,
// everything is flushed.
func (s *Server) Shut(tb testing.TB) {
	tb.Helper()
	if err := s.own.order("shut"); err != nil {
		tb.Fatal(err)
	}
}

// Demote makes the server a standby from the next Restart on: it may be read, and refuses to
// write, until Promote. It must not be running.
func (s *Server) Demote(tb testing.TB) {
	tb.Helper()
	if err := s.own.order("demote"); err != nil {
		tb.Fatal(err)
	}
}

// Promote makes a standby writable.
func (s *Server) Promote(tb testing.TB) {
	tb.Helper()
	administer(tb, s.admin, "select pg_promote()")
}

// Restart starts the server again after Stop or Shut, on the same address, and returns when it answers.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	if err := s.own.order("start"); err != nil {
		tb.Fatal(err)
	}
}

// remove stops the server and returns when its directory is gone.
func (s *Server) remove() { s.own.close() }

// cluster is a directory with a Postgres cluster and the shell that keeps it.
type cluster struct {
	dir, bin, port string

	mu      sync.Mutex // one order at a time
	orders  io.WriteCloser
	answers *bufio.Reader
	keeper  *exec.Cmd
}

func start() (*Server, error) {
	c, err := newCluster()
	if err != nil {
		return nil, err
	}
	if err := c.begin(); err != nil {
		c.close()
		return nil, err
	}
	return &Server{
		admin:  fmt.Sprintf("postgres://postgres@/postgres?host=%s&port=%s", url.QueryEscape(c.dir), c.port),
		public: fmt.Sprintf("postgres://127.0.0.1:%s/postgres?sslmode=disable", c.port),
		own:    c,
	}, nil
}

// newCluster makes the directory and starts the shell that will remove it.
func newCluster() (*cluster, error) {
	servant, err := servant()
	if err != nil {
		return nil, err
	}
	parent := os.TempDir()
	if servant != nil {
		parent = "/tmp" // a private TMPDIR of root is out of the servant's reach
	}
	if roomy(memory) {
		parent = memory // half of what tests ask of a server is to make files and remove them
	}
	dir, err := os.MkdirTemp(parent, "larder-postgres-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for Postgres: %w", err)
	}
	if servant != nil {
		if err := os.Chown(dir, int(servant.Uid), int(servant.Gid)); err != nil {
			return nil, errors.Join(fmt.Errorf("hand the directory of Postgres over: %w", err), os.Remove(dir))
		}
	}
	c := &cluster{dir: dir}
	if err := c.hire(servant); err != nil {
		return nil, errors.Join(err, os.Remove(dir))
	}
	return c, nil
}

// memory is where files cost no disk.
const memory = "/dev/shm"

// roomy reports whether a folder has room for several clusters.
func roomy(dir string) bool {
	var of syscall.Statfs_t
	return syscall.Statfs(dir, &of) == nil && uint64(of.Bavail)*uint64(of.Bsize) > 8<<30
}

func (c *cluster) hire(servant *syscall.Credential) error {
	c.keeper = exec.Command("/bin/sh", "-c", keepScript, "keep.sh", c.dir)
	c.keeper.Dir = c.dir
	// None of our PG variables: PGHOST or PGOPTIONS would bend what the tools do.
	c.keeper.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C"}
	// A session of its own: Ctrl-C ends the tests, and the keeper tidies up after them.
	c.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: servant}
	orders, err := c.keeper.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := c.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	c.orders, c.answers = orders, bufio.NewReader(answers)
	if err := c.keeper.Start(); err != nil {
		return fmt.Errorf("start the keeper of Postgres: %w", err)
	}
	return nil
}

// begin finds the binaries and starts a new cluster on a free port.
func (c *cluster) begin() error {
	bin, err := binaries(c.dir)
	if err != nil {
		return err
	}
	c.bin, c.port = bin, "0"
	if err := c.order("init"); err != nil {
		return err
	}
	// Between our look at a port and Postgres's use of it, another process may take it.
	for range 3 {
		if c.port, err = freePort(); err != nil {
			return err
		}
		if err = c.order("start"); err == nil {
			return nil
		}
	}
	return err
}

// order has the keeper do one thing and waits for its end. The error carries the end of the
// server's log.
func (c *cluster) order(word string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, err := fmt.Fprintln(c.orders, word, c.port, c.bin); err != nil {
		return fmt.Errorf("order %q from the keeper of Postgres: %w", word, err)
	}
	answer, err := c.answers.ReadString('\n')
	if err != nil {
		return fmt.Errorf("hear the keeper of Postgres about %q: %w", word, err)
	}
	if status := strings.TrimSpace(answer); status != "0" {
		return fmt.Errorf("%s Postgres of %s: exit status %s:\n%s", word, c.bin, status, c.logTail())
	}
	return nil
}

func (c *cluster) logTail() string {
	log, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-4096):])
}

// close waits for the keeper, which has removed the directory when it ends.
func (c *cluster) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.orders.Close()    // its only reader is the keeper
	_ = c.keeper.Wait()     // its status is that of rm, and the next line tells the same
	_ = os.RemoveAll(c.dir) // nothing is left but after a keeper that was killed
}

// servant is the user that Postgres runs as where we are root, whom initdb refuses. nil: ours.
func servant() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(found.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(found.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("find a user to run Postgres as: root may not, and there is neither postgres nor nobody")
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, err
}
