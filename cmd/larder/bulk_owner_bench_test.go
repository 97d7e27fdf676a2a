package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// bulkOwnerVariable makes the benchmark's program the owner: its value is
	// how many records there are.
	bulkOwnerVariable = "LARDER_BENCH_OWNER"
	bulkPage          = 1000
	// bulkSpan is the time that all stamps lie in, less than the overlap, so
	// that every poll asks for all records.
	bulkSpan = time.Minute
)

// person is a row of the benchmark. Its number tells all the rest.
type person struct {
	id, rows int
}

func (p person) name() string  { return "Person Number " + strconv.Itoa(p.id) }
func (p person) email() string { return "person." + strconv.Itoa(p.id) + "@mail.example.org" }
func (p person) city() string {
	return [...]string{"Hämeenlinna", "Rovaniemi", "San Sebastián", "Ulaanbaatar"}[p.id*7%4]
}
func (p person) balance() string {
	return fmt.Sprintf("%d.%02d", p.id*7919%100_000, p.id*31%100)
}
func (p person) active() bool { return p.id%3 != 0 }
func (p person) avatar() string {
	return "https://cdn.example.org/avatars/" + strconv.Itoa(p.id) + ".png"
}
func (p person) updated() time.Time {
	step := max(bulkSpan/time.Duration(p.rows), time.Microsecond)
	return time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC).Add(time.Duration(p.id) * step).Truncate(time.Microsecond)
}

func (p person) appendJSON(b []byte) []byte {
	return fmt.Appendf(b, `{"id":%d,"name":%q,"email":%q,"city":%q,"balance":%s,"active":%t,`+
		`"profile":{"avatar":%q,"locale":"fi-FI","newsletter":false},"updated_at":%q,"deleted_at":null}`,
		p.id, p.name(), p.email(), p.city(), p.balance(), p.active(),
		p.avatar(), p.updated().Format("2006-01-02T15:04:05.000000Z"))
}

// serveBulk is the owner: it says where it listens and serves until its input
// ends, as it does when the benchmark is gone. A page is made when it is asked
// for.
func serveBulk(b *testing.B) {
	rows, err := strconv.Atoi(os.Getenv(bulkOwnerVariable))
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() { _ = http.Serve(l, http.HandlerFunc(bulkPages(rows))) }()
	fmt.Printf("\nhttp://%s\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func bulkPages(rows int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.FormValue("cursor"))
		to := min(from+bulkPage, rows)
		page := []byte(`{"data":[`)
		for i := from; i < to; i++ {
			if i > from {
				page = append(page, ',')
			}
			page = person{i, rows}.appendJSON(page)
		}
		next := "null"
		if to < rows {
			next = strconv.Quote(strconv.Itoa(to))
		}
		page = fmt.Appendf(page, `],"meta":{"next_cursor":%s,"total":%d}}`, next, rows)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(page)
	}
}

// startBulkOwner starts the owner in a process of its own and returns its URL.
func startBulkOwner(b *testing.B, rows int) string {
	b.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkMillionRows$", "-test.benchtime=1x")
	c.Env = append(os.Environ(), bulkOwnerVariable+"="+strconv.Itoa(rows))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	said := bufio.NewScanner(out)
	b.Cleanup(func() {
		_ = in.Close()
		for said.Scan() {
			continue
		}
		_ = c.Wait()
	})
	for said.Scan() {
		if strings.HasPrefix(said.Text(), "http://") {
			return said.Text()
		}
	}
	b.Fatal("the owner does not say where it listens")
	return ""
}
