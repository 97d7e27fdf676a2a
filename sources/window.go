package sources

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// window is one slice of a walk: from since, which it includes, until until,
// which it does not, both as they are asked. A slice begins with the very text
// that its neighbour ends with, so that whatever an owner reads in it, neither
// a hole nor an overlap lies between the two.
type window struct {
	index        int
	since, until string
}

// windows cuts a range. Borders lie each apart, but where the format is too
// coarse or a clock is put back: a slice is then as long as it takes to end
// later than it begins.
type windows struct {
	format *row.Format
	each   time.Duration
	until  string
	end    row.Stamp
	// Where the next slice begins.
	index int
	since string
	at    row.Stamp
}

func newWindows(f *row.Format, since, until string, each time.Duration) (*windows, error) {
	w := &windows{format: f, each: each, since: since, until: until}
	var errs [2]error
	w.at, errs[0] = f.ParseText(since)
	w.end, errs[1] = f.ParseText(until)
	return w, errors.Join(errs[:]...)
}

// next is the slice that follows; false behind the last.
func (w *windows) next() (window, bool) {
	if row.Compare(w.at, w.end) >= 0 {
		return window{}, false
	}
	slice := window{index: w.index, since: w.since, until: w.until}
	at := w.end
	for step := w.each; ; step *= 2 {
		border := w.at.Add(step)
		if step <= 0 || row.Compare(border, w.end) >= 0 {
			break
		}
		text := w.format.RenderLike(border, w.since)
		written, err := w.format.ParseText(text)
		if err == nil && row.Compare(written, w.at) > 0 && row.Compare(written, w.end) < 0 {
			slice.until, at = text, written
			break
		}
	}
	w.index, w.since, w.at = w.index+1, slice.until, at
	return slice, true
}

// windowsNote is what a walk that is cut into windows keeps of itself.
type windowsNote struct {
	Since  string        `json:"since"`
	Each   time.Duration `json:"each"`
	Format string        `json:"format"` // its fingerprint
	Done   string        `json:"done"`   // such as "0-16,18"
}

// doneSet is the slices that are handed on, as ranges in order. It holds as
// many ranges as slices are walked at one time, about.
type doneSet [][2]int

func (d doneSet) has(i int) bool {
	for _, r := range d {
		if r[0] <= i && i <= r[1] {
			return true
		}
	}
	return false
}

func (d *doneSet) add(i int) {
	at := 0
	for at < len(*d) && (*d)[at][1] < i-1 {
		at++
	}
	switch all := *d; {
	case at < len(all) && all[at][0] <= i && i <= all[at][1]:
	case at < len(all) && all[at][1] == i-1:
		all[at][1] = i
		if at+1 < len(all) && all[at+1][0] == i+1 {
			all[at][1] = all[at+1][1]
			*d = append(all[:at+1], all[at+2:]...)
		}
	case at < len(all) && all[at][0] == i+1:
		all[at][0] = i
	default:
		*d = append(all[:at], append(doneSet{{i, i}}, all[at:]...)...)
	}
}

func (d doneSet) String() string {
	var texts []string
	for _, r := range d {
		text := strconv.Itoa(r[0])
		if r[1] > r[0] {
			text += "-" + strconv.Itoa(r[1])
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ",")
}

func readDone(text string) (doneSet, error) {
	var d doneSet
	if text == "" {
		return nil, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		low, high, ranged := strings.Cut(part, "-")
		from, err := strconv.Atoi(low)
		to := from
		if ranged && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err != nil || from < 0 || to < from || len(d) > 0 && from <= d[len(d)-1][1] {
			return nil, fmt.Errorf("not a set of windows: %w", syncer.ErrNotResumable)
		}
		d = append(d, [2]int{from, to})
	}
	return d, nil
}
