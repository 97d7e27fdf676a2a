package row

import (
	"fmt"
	"strconv"
	"strings"
)

// Kind is what a column holds, apart from a numeric's bounds.
type Kind uint8

// The kinds. Text is the zero Kind.
const (
	Text Kind = iota
	Boolean
	Integer
	Bigint
	Double
	Numeric
	Timestamptz
	Date
	UUID
	JSON
	Bytes
)

// kindNames are the kinds as a configuration writes them, in their order.
func kindNames() []string {
	return []string{"text", "boolean", "integer", "bigint", "double", "numeric", "timestamptz", "date", "uuid", "json", "bytes"}
}

func (k Kind) String() string {
	if names := kindNames(); int(k) < len(names) {
		return names[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Type is the type of a column.
type Type struct {
	Kind Kind
	// Precision is how many digits a numeric holds, Scale how many of them
	// stand after the point. Precision 0 is a numeric without bounds.
	Precision, Scale int
}

// String is the type as a configuration writes it.
func (t Type) String() string {
	if t.Kind == Numeric && t.Precision > 0 {
		return fmt.Sprintf("numeric(%d,%d)", t.Precision, t.Scale)
	}
	return t.Kind.String()
}

// Ordered reports whether newer can be told from older by values of the type
// alone. A text can not: it takes a Format to read it by.
func (t Type) Ordered() bool {
	switch t.Kind {
	case Integer, Bigint, Double, Numeric, Timestamptz, Date:
		return true
	}
	return false
}

// Keyable reports whether values of the type can identify a row: equal ones
// have to be written alike, which JSON does not promise.
func (t Type) Keyable() bool { return t.Kind != JSON }

// maxPrecision is the most digits that Postgres lets a bounded numeric have.
const maxPrecision = 1000

// ParseType reads a type as a configuration writes it: a kind's name, or
// "numeric(10,2)". An unknown name is answered with the nearest known one.
func ParseType(s string) (Type, error) {
	name, bounds, bounded := strings.Cut(s, "(")
	kind := -1
	for i, known := range kindNames() {
		if name == known {
			kind = i
		}
	}
	switch {
	case kind < 0:
		return Type{}, fmt.Errorf("unknown type %q%s", excerpt(s), typeAdvice(name))
	case !bounded:
		return Type{Kind: Kind(kind)}, nil
	case Kind(kind) != Numeric:
		return Type{}, fmt.Errorf("type %q takes no bounds; only numeric does", name)
	}
	inner, closed := strings.CutSuffix(bounds, ")")
	first, second, scaled := strings.Cut(inner, ",")
	precision, err := strconv.Atoi(strings.TrimSpace(first))
	scale := 0
	if scaled && err == nil {
		scale, err = strconv.Atoi(strings.TrimSpace(second))
	}
	if !closed || err != nil || precision < 1 || precision > maxPrecision || scale < 0 || scale > precision {
		return Type{}, fmt.Errorf("type %q: want numeric(digits,digits after the point) with 1 to %d digits", excerpt(s), maxPrecision)
	}
	return Type{Kind: Numeric, Precision: precision, Scale: scale}, nil
}

// typeAdvice names the type that was probably meant: the one that other
// systems call so, else the nearest by spelling, else all.
func typeAdvice(name string) string {
	meant := ""
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "string", "str", "varchar", "char", "citext", "enum":
		meant = "text"
	case "bool":
		meant = "boolean"
	case "int", "int4", "int32", "smallint", "serial":
		meant = "integer"
	case "int8", "int64", "long", "bigserial":
		meant = "bigint"
	case "float", "float8", "float64", "real", "number":
		meant = "double"
	case "decimal", "money":
		meant = "numeric"
	case "timestamp", "datetime", "time", "instant":
		meant = "timestamptz"
	case "jsonb", "object", "array":
		meant = "json"
	case "bytea", "blob", "binary", "base64":
		meant = "bytes"
	case "guid":
		meant = "uuid"
	default:
		meant = nearest(strings.ToLower(name), kindNames())
	}
	if meant == "" {
		return "; known: " + strings.Join(kindNames(), ", ")
	}
	return fmt.Sprintf("; did you mean %q?", meant)
}

// nearest returns the known name that takes the fewest letters to insert,
// drop or change; "" where more than a third of it would have to.
func nearest(name string, known []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", 0
	for _, k := range known {
		if d := distance(name, k); 3*d <= max(len(k), 3) && (best == "" || d < least) {
			best, least = k, d
		}
	}
	return best
}

func distance(a, b string) int {
	last, next := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		next[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next[j+1] = min(last[j+1]+1, next[j]+1, last[j]+cost)
		}
		last, next = next, last
	}
	return last[len(b)]
}
