package owners

import (
	"strconv"
	"strings"
	"time"
)

// Row is one live record as a perfect copy holds it: column to value, the
// value as exact text, a NULL column left out.
//
//   - An integer is in decimal digits.
//   - Text is itself.
//   - A decimal is as the feed writes it: a price always with two places
//     ("19.90"), temperature and wind without trailing zeros ("7.25", "-3").
//   - An instant, however the feed writes it, is RFC 3339 in UTC with six
//     places: "2026-11-23T04:00:00.000000Z".
//
// The columns, with the feed's field where it has another name, keys first:
//
//	users       id, display_name (profile.displayName), avatar_url, email, updated_at
//	drivers     id, name, plate, rating, status, updated_at
//	passengers  id, name, driver_id, updated
//	products    sku, name, price, stock, modified
//	weather     city (see Cities), time, temperature, wind
type Row map[string]string

// instant is a stamp as a Row holds it.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// integer is a number as a Row holds it.
func integer(n int64) string { return strconv.FormatInt(n, 10) }

// decimal writes n·10^-places with all its places.
func decimal(n int64, places int) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	digits := strconv.FormatInt(n, 10)
	if short := places + 1 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	point := len(digits) - places
	return sign + digits[:point] + "." + digits[point:]
}

// shortest writes n·10^-places without trailing zeros, as a double prints.
func shortest(n int64, places int) string {
	return strings.TrimSuffix(strings.TrimRight(decimal(n, places), "0"), ".")
}
