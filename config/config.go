package config

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Config is a config file whose every key has been read and checked. Only what needs another package is left
// to others: cron specs, budgets against schedules. They report by Mistake.
type Config struct {
	File      string
	Larder    Larder
	Consumers []*Consumer // in the order of the file, as all lists here
	Owners    []*Owner
	Sources   []*Source
	Tables    []*Table // one a consumer: a [[table]] with two consumers stands here twice
	Alerts    []*Alert
	// Maintenance is when nobody is told.
	Maintenance []Maintenance
	Nudges      []*Nudge
	// Warnings are what is allowed and rarely meant, in the form of mistakes.
	Warnings Mistakes

	tree *node
}

// Judge finds what is wrong by the rules of other packages. It is given what could be read of the file, so that its
// mistakes are told with all others: where keys are broken, they hold their defaults, and parts that nothing can be
// said of are left out. It makes its mistakes by Config.Mistake.
type Judge func(*Config) Mistakes

// Load reads the config file at path. env looks up environment variables, as os.LookupEnv does.
// A file that is wrong gives Mistakes, those of judges too.
func Load(path string, env func(string) (string, bool), judges ...Judge) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config %q: %w", path, err)
	}
	return Parse(path, data, env, judges...)
}

// LoadForDatabases is Load for those who ask consumers' databases, and neither ask an owner nor tell a receiver: what
// the keys of owners, alerts, nudges and larder's own tokens take from the environment or from files may be missing, as
// it is for somebody on call who has none of these secrets.
func LoadForDatabases(path string, env func(string) (string, bool), judges ...Judge) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config %q: %w", path, err)
	}
	return parse(path, data, &reader{env: env, noOwners: true}, judges)
}

// Parse reads a config from data. path names it in mistakes, and its folder is where relative paths start.
func Parse(path string, data []byte, env func(string) (string, bool), judges ...Judge) (*Config, error) {
	return parse(path, data, &reader{env: env}, judges)
}

func parse(path string, data []byte, r *reader, judges []Judge) (*Config, error) {
	r.root = fileKeys()
	d := newDocument(path, data)
	tree, err := d.parse()
	if err != nil {
		return nil, err
	}
	r.dir, r.misspelt = filepath.Dir(path), map[*node]bool{}
	c := &Config{File: path, tree: tree}
	r.config(c)
	r.judged(c, judges)
	if len(r.mistakes) > 0 {
		return nil, r.mistakes.sorted()
	}
	c.Warnings = r.warnings.sorted()
	return c, nil
}

// judged adds what judges find, but for what stands where a mistake is told already: it may follow from that one.
func (r *reader) judged(c *Config, judges []Judge) {
	told := map[Position]bool{}
	for _, m := range r.mistakes {
		told[Position{m.File, m.Line, m.Column}] = true
	}
	readable := *c
	// What is misspelt may be what would be missed.
	readable.Sources = slices.DeleteFunc(slices.Clone(c.Sources), func(s *Source) bool { return r.misspelt[c.find(s.KeyPath)] })
	for _, judge := range judges {
		for _, m := range judge(&readable) {
			if !told[Position{m.File, m.Line, m.Column}] {
				r.mistakes = append(r.mistakes, m)
			}
		}
	}
}

// config reads the whole tree: first what stands alone, then what refers to it.
func (r *reader) config(c *Config) {
	root, _ := r.section(c.tree)
	c.Larder = r.larder(root.child("larder"))
	r.inherit(c.tree)
	for _, n := range r.named(c.tree, "consumer") {
		c.Consumers = append(c.Consumers, r.consumer(n))
	}
	for _, n := range r.named(c.tree, "owner") {
		c.Owners = append(c.Owners, r.owner(n))
	}
	for _, n := range r.named(c.tree, "source") {
		c.Sources = append(c.Sources, r.source(n, c))
	}
	for _, n := range r.tables(c.tree) {
		c.Tables = append(c.Tables, r.table(n, c)...)
	}
	r.checkDatabases(c)
	r.checkTableNames(c)
	for _, n := range r.named(c.tree, "alert") {
		c.Alerts = append(c.Alerts, r.alert(n, c))
	}
	r.checkFallbacks(c)
	c.Maintenance = r.maintenance(c.tree.child("maintenance"), c)
	for _, n := range r.named(c.tree, "nudge") {
		c.Nudges = append(c.Nudges, r.nudge(n, c))
	}
}

// named returns the tables [what.NAME]. A bad name is told and kept, so that who refers to it is not told too.
func (r *reader) named(root *node, what string) []*node {
	all := root.child(what)
	if all == nil {
		return nil
	}
	if all.kind != kindTable {
		r.wrong(all, "is %s; write [%s.NAME]", all.what(), what)
		return nil
	}
	var good []*node
	for _, n := range all.below {
		switch {
		case n.kind != kindTable:
			r.wrong(n, "is %s; write [%s.NAME] with its keys below", n.what(), what)
			continue
		case !isName(n.key):
			r.note(n, n.keyAt, "the name must be 1 to 63 letters, digits, dashes and underscores")
		}
		good = append(good, n)
	}
	return good
}

// tables returns the [[table]] entries.
func (r *reader) tables(root *node) []*node {
	all := root.child("table")
	switch {
	case all == nil:
		r.wrong(root, "there is no [[table]]; write one with source, budget and columns")
		return nil
	case all.kind != kindArray:
		r.wrong(all, "is %s; write [[table]] with double brackets", all.what())
		return nil
	}
	return all.below
}

// isName reports whether name can be the name of a consumer, owner, source, alert or nudge.
func isName(name string) bool {
	return name != "" && len(name) <= maxIdentifier && strings.IndexFunc(name, func(c rune) bool { return !isNameChar(c) }) < 0
}

// At tells where a value stands by its key path, such as `source.users.schedule` or `table[0].budget`.
// For a key that was left out it is the nearest table above that is there.
func (c *Config) At(keyPath string) Position { return c.find(keyPath).at }

// Mistake makes a mistake at a key path, for what is found wrong after loading.
func (c *Config) Mistake(keyPath, format string, args ...any) Mistake {
	at := c.At(keyPath)
	subject, rest := c.find(keyPath).subject()
	text := fmt.Sprintf(format, args...)
	if rest != "" {
		text = rest + ": " + text
	}
	return Mistake{at.File, at.Line, at.Column, subject, text}
}

// Says reports whether a key is written, by [defaults] too.
func (c *Config) Says(keyPath string) bool {
	_, there := c.look(keyPath)
	return there
}

func (c *Config) find(keyPath string) *node {
	n, _ := c.look(keyPath)
	return n
}

// look returns the node at a key path, or the nearest above it that is there.
func (c *Config) look(keyPath string) (n *node, there bool) {
	n = c.tree
	for _, step := range splitKeyPath(keyPath) {
		next := n.child(step.key)
		if step.key == "" && step.index >= 0 && step.index < len(n.below) && n.kind == kindArray {
			next = n.below[step.index]
		}
		if next == nil {
			return n, false
		}
		n = next
	}
	return n, true
}

type keyStep struct {
	key   string
	index int // of an array, with an empty key
}

// splitKeyPath reads the form that joinPath writes. What does not parse ends the path.
func splitKeyPath(path string) []keyStep {
	var steps []keyStep
	for path != "" {
		switch path[0] {
		case '.':
			path = path[1:]
		case '[':
			number, rest, _ := strings.Cut(path[1:], "]")
			i, err := strconv.Atoi(number)
			if err != nil {
				return steps
			}
			steps, path = append(steps, keyStep{index: i}), rest
		case '"':
			quoted, err := strconv.QuotedPrefix(path)
			if err != nil {
				return steps
			}
			key, _ := strconv.Unquote(quoted)
			steps, path = append(steps, keyStep{key: key, index: -1}), path[len(quoted):]
		default:
			end := strings.IndexAny(path, ".[")
			if end < 0 {
				end = len(path)
			}
			steps, path = append(steps, keyStep{key: path[:end], index: -1}), path[end:]
		}
	}
	return steps
}

type nameable interface{ name() string }

// refer finds whom a key refers to; a key that is left out means the only one, or the one called like us.
func refer[T nameable](s section, key, us string, all []T) (one T, ok bool) {
	if n := s.child(key); n != nil {
		return lookup(s.r, n, key, all)
	}
	if len(all) == 1 {
		return all[0], true
	}
	for _, one := range all {
		if one.name() == us {
			return one, true
		}
	}
	if len(all) == 0 {
		s.r.wrong(s.n, "there is no %s; write [%s.NAME]", key, key)
	} else {
		s.r.wrong(s.n, "%s is missing, and there are %d; known: %s", key, len(all), strings.Join(names(all), ", "))
	}
	return one, false
}

// lookup finds the one that n names.
func lookup[T nameable](r *reader, n *node, what string, all []T) (one T, ok bool) {
	text, ok := r.text(n)
	if !ok {
		return one, false
	}
	for _, one := range all {
		if one.name() == text {
			return one, true
		}
	}
	r.wrong(n, "unknown %s %s%s", what, r.shown(n), hint(text, names(all)))
	return one, false
}

func names[T nameable](all []T) []string {
	var ns []string
	for _, one := range all {
		ns = append(ns, one.name())
	}
	return ns
}
