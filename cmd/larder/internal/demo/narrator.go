package demo

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// narrator tells the story: the time since it began, and then a line.
type narrator struct {
	mu    sync.Mutex
	w     io.Writer
	began time.Time
}

// indent is as wide as the time is.
const indent = "         "

// tell prints a line with the time, and below it those that belong to it. All
// of them are printed at once: others tell things, too.
func (n *narrator) tell(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\n"+indent)
	fmt.Fprintf(n.w, "%6.1fs  %s\n", time.Since(n.began).Seconds(), text)
}

// add prints a line that belongs to the one before.
func (n *narrator) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.w, "%s%s\n", indent, fmt.Sprintf(format, args...))
}

// message prints what the one on call is told.
func (n *narrator) message(lines []string) {
	const lead = "ON CALL  "
	n.tell("%s", lead+strings.Join(lines, "\n"+strings.Repeat(" ", len(lead))))
}

// table is the copies, line by line.
func table(copies []Copy) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "COPY\tROWS\tSTALENESS OF WARN/CRITICAL\tLEVEL\t\n")
	for _, c := range copies {
		fmt.Fprintf(w, "%s\t%d\t%s of %s\t%s\t%s\n", c.Name, c.Rows, c.staleness(), c.budget(), c.Level, c.Why)
	}
	_ = w.Flush() // a Builder takes everything
	var lines []string
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return strings.Join(lines, "\n")
}

func (c Copy) staleness() string {
	if c.AsOf.IsZero() {
		return "-"
	}
	return seconds(c.Staleness)
}

func (c Copy) budget() string {
	if c.Warn == 0 {
		return c.Critical.String()
	}
	return fmt.Sprintf("%s/%s", brief(c.Warn), brief(c.Critical))
}

// brief writes whole minutes and seconds as the configuration does.
func brief(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return d.String()
}

// fine is a short time with two places.
func fine(d time.Duration) string { return fmt.Sprintf("%.2fs", d.Seconds()) }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// times is how often something happened.
func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// failures says how a number of reads went.
func failures(n int) string {
	if n == 0 {
		return "all succeeded"
	}
	return fmt.Sprintf("%d FAILED", n)
}
