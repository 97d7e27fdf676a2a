// Package config turns larder.toml into plain structs, and tells all that is wrong with it at once by file,
// line and column. It touches the config file, the files that the config names as values, and no package of ours.
//
// # A key
//
// What may be written stands in one table of keys: keys.go, keys_auth.go, keys_alert.go and, for
// what is below a source, keys_source.go. A new key is
// one line there, with its form (an integer or duration with its bounds, a choice of words, a table of keys), what it is
// when left out, and a sentence for editors. Its reader takes it by name, as in s.integer("burst", &o.Burst) or
// choose(s, "order", &w.Order): names, bounds and words come from the table by the key path of what is read, so that
// the JSON Schema, the mistakes and the reader cannot differ. Its default is set in defaults.go, its row stands in
// README.md, and a file in testdata/bad shows each misuse; tests compare all of them. Then write the schema's copy anew:
//
//	go test ./config -run TestSchema -update
package config
