package schedule

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// field is one of the five of a cron spec, in their order.
type field struct{ name, values string }

func fields() [5]field {
	return [5]field{
		{"minute", "0-59"},
		{"hour", "0-23"},
		{"day of month", "1-31"},
		{"month", "1-12 or jan-dec"},
		{"day of week", "0-6 or sun-sat"},
	}
}

// names are the schedules with a name, as the fields they stand for.
func names() map[string]string {
	return map[string]string{
		"@yearly":   "0 0 1 1 *",
		"@annually": "0 0 1 1 *",
		"@monthly":  "0 0 1 * *",
		"@weekly":   "0 0 * * 0",
		"@daily":    "0 0 * * *",
		"@midnight": "0 0 * * *",
		"@hourly":   "0 * * * *",
	}
}

// maxSpec bounds what is parsed; a schedule that needs more is a mistake.
const maxSpec = 1024

// Parse reads a five-field cron spec, "@every 30s", a name such as "@hourly", or one of the
// first and last after "CRON_TZ=Europe/Berlin ". Without that, local times are those of zone;
// nil is UTC. What robfig accepts and nobody can mean is an error that says why.
func Parse(spec string, zone *time.Location) (Schedule, error) {
	if len(spec) > maxSpec {
		return Schedule{}, fmt.Errorf("parse %d bytes: more than %d", len(spec), maxSpec)
	}
	s, err := parse(strings.TrimSpace(spec), zone)
	if err != nil {
		return Schedule{}, fmt.Errorf("parse %q: %w", spec, err)
	}
	s.text = spec
	return s, nil
}

func parse(spec string, zone *time.Location) (Schedule, error) {
	if zone == nil {
		zone = time.UTC
	}
	spec, named, err := cutZone(spec)
	if err != nil {
		return Schedule{}, err
	}
	if interval, ok := strings.CutPrefix(spec, "@every"); ok {
		if named != nil {
			return Schedule{}, errors.New("an interval has no time zone")
		}
		return parseEvery(strings.TrimSpace(interval))
	}
	if named != nil {
		zone = named
	}
	if strings.HasPrefix(spec, "@") {
		known, ok := names()[spec]
		if !ok {
			return Schedule{}, fmt.Errorf("unknown name %q, want @every, @hourly, @daily, @weekly, @monthly or @yearly", spec)
		}
		spec = known
	}
	parsed, err := parseFields(strings.Fields(spec))
	if err != nil {
		return Schedule{}, err
	}
	return Schedule{spec: parsed, zone: zone}, nil
}

// cutZone takes "CRON_TZ=zone " or "TZ=zone " off the spec. The zone is nil without it.
func cutZone(spec string) (rest string, zone *time.Location, err error) {
	prefix, after, found := strings.Cut(spec, "=")
	if !found || prefix != "CRON_TZ" && prefix != "TZ" {
		return spec, nil, nil
	}
	name, rest := after, ""
	if i := strings.IndexAny(after, " \t"); i >= 0 {
		name, rest = after[:i], strings.TrimSpace(after[i:])
	}
	switch {
	case name == "":
		return "", nil, fmt.Errorf("%s= names no time zone", prefix)
	case name == "Local":
		return "", nil, errors.New(`the time zone "Local" depends on the machine, name a place`)
	case rest == "":
		return "", nil, fmt.Errorf("nothing follows the time zone %q", name)
	}
	zone, err = time.LoadLocation(name)
	if err != nil {
		return "", nil, fmt.Errorf("unknown time zone %q", name)
	}
	return rest, zone, nil
}

// parseFields reads each field by itself, so that a mistake can be told by the field's name.
func parseFields(texts []string) (*cron.SpecSchedule, error) {
	all := fields()
	if len(texts) != len(all) {
		hint := ""
		if _, err := parseEvery(strings.Join(texts, "")); err == nil {
			hint = fmt.Sprintf("; write \"@every %s\" for an interval", texts[0])
		} else if len(texts) == 6 {
			hint = "; there is none of seconds, write \"@every 30s\" for less than a minute"
		}
		return nil, fmt.Errorf("want five fields (minute, hour, day of month, month, day of week), got %d%s", len(texts), hint)
	}
	var values [5]uint64
	for i, text := range texts {
		var err error
		if values[i], err = parseField(i, text); err != nil {
			return nil, fmt.Errorf("%s %q: %w", all[i].name, text, err)
		}
	}
	spec := &cron.SpecSchedule{
		Second: 1, Minute: values[0], Hour: values[1], Dom: values[2], Month: values[3], Dow: values[4],
		Location: time.UTC,
	}
	// Any year will do that leaves a 29 February within the five that robfig looks ahead.
	first := spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))
	if first.IsZero() || spec.Next(first).IsZero() {
		return nil, errors.New("never fires: no such day in those months")
	}
	return spec, nil
}

func parseField(i int, text string) (uint64, error) {
	for member := range strings.SplitSeq(text, ",") {
		if member == "" {
			return 0, errors.New("an empty place in the list")
		}
		value, err := valuesOf(i, member)
		switch {
		case err != nil && i == 4 && strings.ContainsRune(member, '7'):
			return 0, errors.New("there is no day 7, Sunday is 0")
		case err != nil:
			return 0, fmt.Errorf("want %s, *, lists, ranges and steps", fields()[i].values)
		}
		_, step, stepped := strings.Cut(member, "/")
		if stepped && step != "1" && bits.OnesCount64(value) == 1 {
			return 0, fmt.Errorf("a step of %s goes past the end, so only one value would count", step)
		}
	}
	return valuesOf(i, text)
}

// valuesOf has robfig read one field alone. Its parser panics on some input that we do not give
// it; that must stay a mistake in the config, whatever else it panics on.
func valuesOf(i int, text string) (values uint64, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("parser panicked: %v", p)
		}
	}()
	line := slices.Repeat([]string{"*"}, 5)
	line[i] = text
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := parser.Parse(strings.Join(line, " "))
	if err != nil {
		return 0, err
	}
	spec, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return 0, errors.New("not a field")
	}
	return [5]uint64{spec.Minute, spec.Hour, spec.Dom, spec.Month, spec.Dow}[i], nil
}

// parseEvery reads a duration in which days may come first, as anywhere in the config.
func parseEvery(text string) (Schedule, error) {
	rest, days := text, time.Duration(0)
	if count, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(count, 10, 16)
		if err != nil {
			return Schedule{}, fmt.Errorf("unknown interval %q, want 30s, 5m, 2h or 1d", text)
		}
		rest, days = after, time.Duration(n)*24*time.Hour
	}
	var interval time.Duration
	if rest != "" || days == 0 {
		var err error
		if interval, err = time.ParseDuration(rest); err != nil {
			return Schedule{}, fmt.Errorf("unknown interval %q, want 30s, 5m, 2h or 1d", text)
		}
	}
	return Every(days + interval)
}

// maxInterval is as seldom as a schedule may be.
const maxInterval = 366 * 24 * time.Hour

// Every is the schedule with that interval: whole seconds, from one second to a year, because
// robfig would round anything less without a word.
func Every(interval time.Duration) (Schedule, error) {
	switch {
	case interval < time.Second:
		return Schedule{}, fmt.Errorf("interval %v: less than a second", interval)
	case interval > maxInterval:
		return Schedule{}, fmt.Errorf("interval %v: more than a year", interval)
	case interval%time.Second != 0:
		return Schedule{}, fmt.Errorf("interval %v: not in whole seconds", interval)
	}
	return Schedule{text: "@every " + interval.String(), every: interval}, nil
}
