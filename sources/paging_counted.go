package sources

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

var (
	pageName   = regexp.MustCompile(`(?i)page`)
	offsetName = regexp.MustCompile(`(?i)offset|skip|start`)
	sizeName   = regexp.MustCompile(`(?i)size|per|limit|count|top`)
)

// counts reports whether the link of a page with so many records counts pages or
// records: it is the page's own but for a parameter of such a name, which moves
// on by one page, by what came, or by what it says that a page holds. Records that
// move slip past such a link, as they do past a number. Any other is taken for one
// that keeps its place.
func counts(from, to *url.URL, records int) bool {
	if from == nil || to == nil || from.Path != to.Path {
		return false
	}
	before, after := from.Query(), to.Query()
	for name, values := range after {
		if slices.Equal(values, before[name]) || len(values) != 1 {
			continue
		}
		n, err := strconv.ParseInt(values[0], 10, 64)
		if err != nil {
			continue
		}
		was, err := strconv.ParseInt(before.Get(name), 10, 64)
		told := err == nil
		if pageName.MatchString(name) && (told && n == was+1 || !told && (n == 1 || n == 2)) {
			return true
		}
		if offsetName.MatchString(name) && n > was && (n == was+int64(records) || sized(after, n-was)) {
			return true
		}
	}
	return false
}

// sized reports whether a link says that a page holds n records.
func sized(link url.Values, n int64) bool {
	for name, values := range link {
		if sizeName.MatchString(name) && len(values) == 1 && values[0] == strconv.FormatInt(n, 10) {
			return true
		}
	}
	return false
}

// resumesCounted reports whether a walk was to go on, and has gone on with this page, by a
// link that counts: nobody knows what has moved past it while the walk was cut off.
// Where the page leads on, its own link tells; of the last page only the names do,
// and one that is mistaken for a counted one costs a walk.
func (k *walk) resumesCounted(next *step) bool {
	if k.pages != 1 || !k.resumed() || k.w.From.Resume.Cursor == "" || k.step.url == nil {
		return false
	}
	if next != nil {
		return k.counted
	}
	for name, values := range k.step.url.Query() {
		number := pageName.MatchString(name) || offsetName.MatchString(name)
		if number && !sizeName.MatchString(name) && len(values) == 1 && isCount(values[0]) {
			return true
		}
	}
	return false
}

func isCount(text string) bool {
	_, err := strconv.ParseUint(text, 10, 31)
	return err == nil
}
