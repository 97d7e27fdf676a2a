package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// quote writes a name as an SQL identifier. It is the only way in which a name
// gets into a statement; values are always bound.
func quote(name string) string {
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// prefix is what the names of larder's own tables begin with.
type prefix string

// sql puts the prefix into a statement written for the usual one: there a
// quoted name that begins with larder_ is one of ours.
func (p prefix) sql(statement string) string {
	if p == "larder_" {
		return statement
	}
	return strings.ReplaceAll(statement, `"larder_`, `"`+strings.ReplaceAll(string(p), `"`, `""`))
}

// name is the unquoted name of one of our own tables.
func (p prefix) name(table string) string { return string(p) + table }

// own is the unquoted name of a table of ours that belongs to one target. Two
// targets never share one: where the plain name would be too long or changed,
// a digest of the target tells them apart.
func (p prefix) own(kind, target string) string {
	const limit = 63
	plain := strings.ReplaceAll(target, ".", "_")
	name := p.name(kind + plain)
	if plain == target && len(name) <= limit {
		return name
	}
	sum := sha256.Sum256([]byte(target))
	digest := "_" + hex.EncodeToString(sum[:6])
	if room := limit - len(digest); len(name) > room {
		name = strings.ToValidUTF8(name[:room], "")
	}
	return name + digest
}
