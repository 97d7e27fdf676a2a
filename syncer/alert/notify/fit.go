package notify

import (
	"strings"
	"unicode/utf8"

	"github.com/larder-sync/larder/syncer/alert"
)

// fitted is a message as escaped text of at most so many bytes, which no
// receiver counts as more. Whole lines are left out, and the last line says so;
// no escape is cut in two.
func fitted(m alert.Message, most int, escape func(string) string) string {
	const more = "\n…"
	title := m.Title()
	text := escape(title)
	for len(text) > most-len(more) {
		title = cut(title, utf8.RuneCountInString(title)*3/4)
		text = escape(title)
	}
	for _, line := range m.Lines() {
		next := text + "\n" + escape(line)
		if len(next) > most-len(more) {
			return text + more
		}
		text = next
	}
	return text
}

// cut is the beginning of a text, of at most so many characters.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:max(most-1, 0)]) + "…"
}

// unmentioned parts what chats and phones make links and mentions of, by a
// character that is not seen.
func unmentioned(s string) string {
	const unseen = "\u200b"
	return strings.NewReplacer("@", "@"+unseen, "<", "<"+unseen, "://", ":"+unseen+"//").Replace(s)
}

// linesOf are the title and the lines of a message, escaped, in at most so many
// bytes; what does not fit is left out, and the last line says so.
func linesOf(m alert.Message, most int, escape func(string) string) []string {
	return strings.Split(fitted(m, most, escape), "\n")
}
