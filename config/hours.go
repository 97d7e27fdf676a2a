package config

import (
	"strconv"
	"strings"
	"time"
)

// HoursOff is a time of certain days during which a receiver is sent nothing.
type HoursOff struct {
	// From and To count from midnight on the wall clock; To is of the next day where it is not after From.
	From, To time.Duration
	Days     []time.Weekday // on which it begins
	Timezone string         // a name that time.LoadLocation takes
}

// weekdays are the words for days, Monday first.
func weekdays() []string { return []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"} }

// hoursOff reads one span of hours or a list of them.
func (r *reader) hoursOff(n *node, timezone string) (all []HoursOff) {
	if n.kind == kindArray && len(n.below) == 0 {
		r.wrong(n, "the list is empty; leave it out")
	}
	for _, one := range eachOf(n) {
		s, ok := r.section(one)
		if !ok {
			continue
		}
		h := HoursOff{Timezone: timezone, Days: r.days(s)}
		from, to := s.need("from", `from = "22:00"`), s.need("to", `to = "07:00"`)
		if from == nil || to == nil {
			continue
		}
		fromOK, toOK := r.hour(from, 24*time.Hour-time.Minute, &h.From), r.hour(to, 24*time.Hour, &h.To)
		zoneOK := true
		if zone := s.child("timezone"); zone != nil {
			h.Timezone, zoneOK = r.zone(zone)
		}
		switch {
		case !fromOK || !toOK || !zoneOK:
		case h.From == h.To:
			r.wrong(to, `is the same as from; write from = "00:00", to = "24:00" for whole days`)
		default:
			all = append(all, h)
		}
	}
	return all
}

// hour reads HH:MM, up to most.
func (r *reader) hour(n *node, most time.Duration, into *time.Duration) bool {
	text, ok := r.text(n)
	if !ok {
		return false
	}
	hours, minutes, ok := strings.Cut(text, ":")
	h, hErr := strconv.ParseUint(hours, 10, 8)
	m, mErr := strconv.ParseUint(minutes, 10, 8)
	at := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	if !ok || len(hours) != 2 || len(minutes) != 2 || hErr != nil || mErr != nil || m > 59 || at > most {
		r.wrong(n, `%s is no time of day; write HH:MM, such as "07:30"`, r.shown(n))
		return false
	}
	*into = at
	return true
}

// days reads the words for days.
func (r *reader) days(s section) []time.Weekday {
	chosen, ok := chooseSome[string](s, "days")
	if !ok {
		chosen = weekdays()
	}
	var all []time.Weekday
	for i, word := range weekdays() {
		for _, one := range chosen {
			if one == word {
				all = append(all, time.Weekday((i+1)%7))
				break
			}
		}
	}
	return all
}
