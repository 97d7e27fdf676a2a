package alert

import (
	"strings"

	"github.com/larder-sync/larder/syncer"
)

// shared is what all alerts of a message have in common that tells why. Without a
// class it is nothing.
type shared struct {
	class syncer.Class
	// source and consumer are those that it befell, text is what failed; "" where
	// they differ.
	source, consumer, text string
}

// sharedBy is nothing for a single alert, and for the ends of episodes: what is
// well has no cause.
func sharedBy(alerts []Alert) shared {
	if len(alerts) < 2 || alerts[0].Failure == nil || alerts[0].Event == Resolved {
		return shared{}
	}
	first := &alerts[0]
	s := shared{class: first.Failure.Class, source: first.Source, consumer: first.Consumer, text: first.Failure.Text}
	for i := 1; i < len(alerts); i++ {
		a := &alerts[i]
		if a.Failure == nil || a.Failure.Class != s.class {
			return shared{}
		}
		if a.Source != s.source {
			s.source = ""
		}
		if a.Consumer != s.consumer {
			s.consumer = ""
		}
		if a.Failure.Text != s.text {
			s.text = ""
		}
	}
	return s
}

// cause names it for programs: the class of failure, the source and the consumer,
// and the text.
func cause(alerts []Alert) string {
	s := sharedBy(alerts)
	if s.class == "" {
		return ""
	}
	parts := []string{string(s.class)}
	if s.source != "" {
		parts = append(parts, "source "+s.source)
	}
	if s.consumer != "" {
		parts = append(parts, "consumer "+s.consumer)
	}
	named := strings.Join(parts, ", ")
	if s.text != "" {
		named += ": " + s.text
	}
	return named
}

// phrase names it for people, in plain words and with the class that the
// documentation explains. What befalls consumers names those, all else what is
// asked of owners.
func (s shared) phrase() string {
	if s.class == "" {
		return ""
	}
	owner, polls, database := "owners", "polls", "databases"
	if s.source != "" {
		name := Plain(s.source, mostName)
		owner, polls = "owner of "+name, "polls of "+name
	}
	if s.consumer != "" {
		database = "database of " + Plain(s.consumer, mostName)
	}
	words := map[syncer.Class]string{
		syncer.ClassDNS:         "address of " + owner + " is not found",
		syncer.ClassConnect:     owner + " cannot be reached",
		syncer.ClassTLS:         "no secure connection to " + owner,
		syncer.ClassTimeout:     polls + " take too long",
		syncer.ClassRateLimited: "too many requests for " + owner,
		syncer.ClassAuth:        "credentials for " + owner + " are refused",
		syncer.ClassHTTP4xx:     "requests to " + owner + " are refused",
		syncer.ClassHTTP5xx:     "an error inside " + owner,
		syncer.ClassAnswer:      "no usable answer from " + owner,
		syncer.ClassDecode:      "unreadable answer from " + owner,
		syncer.ClassPaging:      "broken pages from " + owner,
		syncer.ClassTooLarge:    "too large an answer from " + owner,
		syncer.ClassBlockedURL:  "blocked address of " + owner,
		syncer.ClassMisfit:      "too many records from " + owner + " do not fit",
		syncer.ClassDatabase:    database + " cannot be used",
		syncer.ClassFenced:      "another daemon holds the lease of " + database,
		syncer.ClassStopped:     polls + " were stopped",
		syncer.ClassInternal:    "larder itself fails in " + polls,
	}[s.class]
	if words == "" {
		return string(s.class)
	}
	return words + " (" + string(s.class) + ")"
}
