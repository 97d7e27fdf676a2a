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
)

// counts reports whether the link of a page with so many records counts pages or
// records: it is the page's own but for a parameter of such a name, which moves
// on by one page or by what came. Records that move slip past such a link, as they
// do past a number. Any other is taken for one that keeps its place.
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
		if offsetName.MatchString(name) && records > 0 && n == was+int64(records) {
			return true
		}
	}
	return false
}
