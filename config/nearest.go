package config

import (
	"fmt"
	"slices"
	"strings"
)

// hint is the end of a mistake about an unknown name: the nearest known one, else all of them.
func hint(name string, known []string) string {
	best := nearest(name, known)
	if best == "" {
		best = elsewhere(name, known)
	}
	if best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	if len(known) == 0 {
		return ""
	}
	return "; known: " + strings.Join(known, ", ")
}

// elsewhere returns the known name for what other programs call so, or that is a word of it; "" if there is none.
func elsewhere(name string, known []string) string {
	// Of several, the first that is known where it is written counts.
	ours := map[string]string{
		"api_key": "header", "cron": "schedule", "dsn": "database", "endpoint": "url", "every": "schedule", "field": "from",
		"fields": "columns", "filter": "where", "frequency": "schedule", "id": "key", "interval": "schedule", "limit": "size",
		"mapping": "columns", "params": "query", "path": "at", "token": "bearer secret auth", "type": "by kind", "tz": "timezone", "uri": "url",
		"iso8601": "rfc3339", "iso": "rfc3339", "epoch": "unix", "timestamp": "unix", "milliseconds": "unix_ms", "retries": "retry", "instance": "name", "days_off": "hours_off", "quiet": "hours_off", "webhook": "url", "channel": "topic",
		"secret": "auth", "severity": "levels", "hmac": "standard", "start": "from", "end": "to", "length": "duration", "warning": "warn", "crit": "critical",
		"integration_key": "routing_key", "silence": "maintenance", "downtime": "maintenance", "alerting": "alert", "notify": "alert", "hook": "nudge",
	}
	all := strings.Fields(ours[name])
	for _, word := range strings.FieldsFunc(name, func(c rune) bool { return c == '_' || c == '-' || c == '.' }) {
		all = append(append(all, word), strings.Fields(ours[word])...)
	}
	for _, one := range all {
		if slices.Contains(known, one) {
			return one
		}
	}
	return ""
}

// Nearest returns the known name that somebody most likely meant; "" where none is near.
func Nearest(name string, known []string) string { return nearest(name, known) }

// nearest returns the known name that takes the fewest edits, or "" where none is near: more than a third
// of its letters would have to change.
func nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		d := distance(strings.ToLower(name), strings.ToLower(k))
		if 3*d <= max(len(k), 3) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

// distance counts the letters to insert, drop, change or swap with their neighbour.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
