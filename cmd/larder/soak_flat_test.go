package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"text/tabwriter"
	"time"
)

// reading is what a process holds at a time at which it has nothing to do.
type reading struct {
	at         time.Duration
	goroutines int
	// heap is what of Go's heap is alive after a collection. resident is all
	// memory, that of SQLite included, which is no part of Go's heap; 0: not known
	// here.
	heap, resident uint64
	// files are open descriptors, databases those of consumers' files and the
	// connections to consumers' Postgres among them; -1: not known here.
	files, databases int
	polls            int
}

// readings are those of a soak, oldest first.
type readings []reading

// growth says how much more there may be at the last reading than at the second.
type growth struct {
	goroutines, files, databases int
	heap, resident               uint64
}

// atRest is how much more there may be of nothing that grows. At a reading
// nothing is polled, so the goroutines are those that stay, and a few of audits
// that wait until they ask again. A pool opens
// connections when they are first needed at one time: one that filled late grows
// by what it lacked, once, and a connection to SQLite has up to three files.
//
// The heap has histograms of each source, which fill until each has its 100
// buckets, and a bubble keeps a timer that was stopped until its time would have
// come. What is left of the bound is about 100 bytes for each request of an hour.
// The rest of the memory is SQLite's, which takes and gives it by the page.
func atRest(sources, pools int) growth {
	return growth{goroutines: 10, files: 3 * pools, databases: 3 * pools, heap: 1<<20 + uint64(sources)*8<<10, resident: 32 << 20}
}

// flat says what grew from the second reading to the last.
func (rs readings) flat(most growth) error {
	if len(rs) < 3 {
		return fmt.Errorf("%d readings tell nothing", len(rs))
	}
	a, b := rs[1], rs[len(rs)-1]
	var grew []string
	note := func(what string, before, after, most int) {
		if after > before+most {
			grew = append(grew, fmt.Sprintf("%s from %d to %d", what, before, after))
		}
	}
	note("goroutines", a.goroutines, b.goroutines, most.goroutines)
	note("files", a.files, b.files, most.files)
	note("database connections", a.databases, b.databases, most.databases)
	note("bytes on the heap", int(a.heap), int(b.heap), int(most.heap))
	note("resident bytes", int(a.resident), int(b.resident), int(most.resident))
	if len(grew) > 0 {
		return fmt.Errorf("grew in %s and %d polls: %s", b.at-a.at, b.polls-a.polls, strings.Join(grew, ", "))
	}
	return nil
}

// String is a table.
func (rs readings) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "after\tpolls\tgoroutines\theap KiB\tresident KiB\tfiles\tdatabases\t")
	for _, r := range rs {
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t\n", r.at, r.polls, r.goroutines, r.heap>>10, r.resident>>10, r.files, r.databases)
	}
	_ = w.Flush() // to memory
	return b.String()
}

// read reads what this process holds. Databases are counted by the folder of
// their files.
func read(dir string) reading {
	runtime.GC()
	runtime.GC() // what finalizers let go of
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	r := reading{goroutines: runtime.NumGoroutine(), heap: sample[0].Value.Uint64(), files: -1, databases: -1}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return r
	}
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		var pages uint64
		_, _ = fmt.Sscanf(string(text), "%d %d", new(uint64), &pages)
		r.resident = pages * uint64(os.Getpagesize())
	}
	r.files, r.databases = len(open)-1, 0 // without the folder itself
	for _, fd := range open {
		name, err := os.Readlink(filepath.Join("/proc/self/fd", fd.Name()))
		if err == nil && strings.HasPrefix(name, dir) {
			r.databases++
		}
	}
	return r
}
