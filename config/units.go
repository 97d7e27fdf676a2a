package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is how many requests may be made in a span of time. The zero value is no limit.
type Rate struct {
	Count int
	Per   time.Duration
}

// PerSecond is the rate in requests a second, 0 for no limit.
func (r Rate) PerSecond() float64 {
	if r.Per <= 0 {
		return 0
	}
	return float64(r.Count) / r.Per.Seconds()
}

var durationUnits = []struct {
	name string
	is   time.Duration
}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

const durationForm = "write a whole number with its unit, such as 500ms, 30s, 5m, 2h or 1d"

// ParseDuration reads a duration as the file writes one, and reports whether it is one.
func ParseDuration(text string) (time.Duration, bool) { return parseDuration(text) }

// parseDuration reads `30s` or `1h30m`. It never answers with a negative span.
func parseDuration(text string) (time.Duration, bool) {
	var sum time.Duration
	rest := text
	for rest != "" {
		digits := leadingDigits(rest)
		n, err := strconv.ParseInt(rest[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		rest = rest[digits:]
		letters := 0
		for letters < len(rest) && (rest[letters] < '0' || rest[letters] > '9') {
			letters++
		}
		unit := time.Duration(0)
		for _, u := range durationUnits {
			if rest[:letters] == u.name {
				unit = u.is
			}
		}
		if unit == 0 || n > int64((math.MaxInt64-sum)/unit) {
			return 0, false
		}
		sum += time.Duration(n) * unit
		rest = rest[letters:]
	}
	return sum, text != ""
}

func leadingDigits(text string) int {
	n := 0
	for n < len(text) && text[n] >= '0' && text[n] <= '9' {
		n++
	}
	return n
}

// showDuration writes a duration as the config does.
func showDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	for i := len(durationUnits) - 1; i >= 0; i-- {
		if u := durationUnits[i]; d%u.is == 0 {
			return strconv.FormatInt(int64(d/u.is), 10) + u.name
		}
	}
	return d.String()
}

var sizeUnits = []struct {
	name string
	is   int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}}

const sizeForm = "write a whole number with its unit, such as 512B, 64KiB, 16MiB or 1GiB"

func parseSize(text string) (int64, bool) {
	for _, u := range sizeUnits {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil || digits[0] == '+' || n < 0 || n > math.MaxInt64/u.is {
				return 0, false
			}
			return n * u.is, true
		}
	}
	return 0, false
}

// showSize writes a bound of sizes as the config does.
func showSize(n int64) string {
	for i := len(sizeUnits) - 2; i >= 0; i-- {
		if u := sizeUnits[i]; n%u.is == 0 {
			return strconv.FormatInt(n/u.is, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

const shareForm = "write a share such as 20%, at most 100%"

// parseShare reads `20%` as 0.2.
func parseShare(text string) (float64, bool) {
	digits, ok := strings.CutSuffix(text, "%")
	if !ok || digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	percent, err := strconv.ParseFloat(digits, 64)
	if err != nil || percent > 100 {
		return 0, false
	}
	return percent / 100, true
}

const rateForm = "write a whole number of requests and s, m or h, such as 10/s or 600/m"

func parseRate(text string) (Rate, bool) {
	digits, unit, ok := strings.Cut(text, "/")
	if !ok || leadingDigits(digits) != len(digits) {
		return Rate{}, false
	}
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || n > 1_000_000 || per == 0 {
		return Rate{}, false
	}
	return Rate{Count: n, Per: per}, true
}
