package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxFile bounds a config file and a value that is read from a file.
const maxFile = 4 << 20

// embedded is what somebody means for a value of the environment in the middle of a text.
var embedded = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

var environment = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)

// shown is a text value as a mistake may show it: what came from outside the file stays outside the message.
func (r *reader) shown(n *node) string {
	if _, isFile := fileOf(n); isFile {
		return "from the file"
	}
	text := n.text
	if len(text) > 60 {
		text = text[:60] + "…"
	}
	return strconv.Quote(text)
}

// fileOf returns FILE of a value `{ file = FILE }`.
func fileOf(n *node) (*node, bool) {
	if n.kind == kindTable && len(n.below) == 1 && n.below[0].key == "file" && n.below[0].kind == kindText {
		return n.below[0], true
	}
	return nil, false
}

// outside reports whether the value stands in the environment or in a file of its own.
func outside(n *node) bool {
	_, isFile := fileOf(n)
	return isFile || n.kind == kindText && environment.MatchString(n.text)
}

// text reads a string, which may stand in the environment or in a file.
func (r *reader) text(n *node) (string, bool) {
	if file, ok := fileOf(n); ok {
		return r.fileText(file)
	}
	if n.kind != kindText {
		r.wrong(n, "is %s; write a text in quotes", n.what())
		return "", false
	}
	name := environment.FindStringSubmatch(n.text)
	if part := embedded.FindStringSubmatch(n.text); part != nil && (name == nil || slices.Contains(placeholders, part[1])) {
		r.wrong(n, "%s", notEmbedded(part[1]))
		return "", false
	}
	if name == nil {
		return n.text, true
	}
	value, ok := r.env(name[1])
	if !ok && r.spares(n) {
		return unavailable, true
	}
	if !ok {
		r.wrong(n, "the environment has no %s; set it, or write the value here", name[1])
	}
	return value, ok
}

// notEmbedded says what to write in place of ${NAME} inside a text.
func notEmbedded(name string) string {
	if slices.Contains(placeholders, name) {
		return fmt.Sprintf("${%s} is a variable of the environment; write {%s} for the placeholder", name, name)
	}
	return fmt.Sprintf("${%s} can only be a whole value; put all of it into the variable, or into a file: { file = \"…\" }", name)
}

// unavailable stands for what comes from outside where nobody asks owners or tells receivers. It passes for a URL, too.
const unavailable = "https://unavailable.invalid"

// spares reports whether a value may be missing: it is an owner's, a receiver's, or of what larder listens to, and none
// of them is needed.
func (r *reader) spares(n *node) bool {
	path := n.keyPath()
	return r.noOwners && slices.ContainsFunc([]string{"owner.", "alert.", "nudge.", "larder.tokens", "larder.heartbeat", "defaults.owner.", "defaults.alert."},
		func(spared string) bool { return strings.HasPrefix(path, spared) })
}

// fileText reads a value from its file, without the line break at its end.
func (r *reader) fileText(n *node) (string, bool) {
	data, err := readFile(r.resolve(n.text))
	if err != nil && r.spares(n) {
		return unavailable, true
	}
	if err != nil {
		hint := "; the path starts from the config file's folder"
		if filepath.IsAbs(n.text) {
			hint = ""
		}
		r.wrong(n, "read %q: %v%s", n.text, err, hint)
		return "", false
	}
	return withoutLineEnd(data), true
}

// again returns how a text is read anew from where it stands; nil: it stands in the config file.
func (r *reader) again(n *node) func() (string, error) {
	if file, ok := fileOf(n); ok {
		path, shown := r.resolve(file.text), file.text
		return func() (string, error) {
			data, err := readFile(path)
			if err != nil {
				return "", fmt.Errorf("read %q: %w", shown, err)
			}
			return withoutLineEnd(data), nil
		}
	}
	if n.kind != kindText {
		return nil
	}
	name := environment.FindStringSubmatch(n.text)
	if name == nil {
		return nil
	}
	env := r.env
	return func() (string, error) {
		value, ok := env(name[1])
		if !ok {
			return "", fmt.Errorf("the environment has no %s", name[1])
		}
		return value, nil
	}
}

func withoutLineEnd(data []byte) string { return strings.TrimRight(string(data), "\r\n") }

// resolve makes a path absolute to the config file's folder.
func (r *reader) resolve(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(r.dir, path)
}

// readFile reads a regular file of bounded size. Its errors do not repeat the path.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("larger than %d MiB", maxFile>>20)
	}
	return data, nil
}

func withoutPath(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// what names the type of a value for a reader of TOML.
func (n *node) what() string {
	return [...]string{"a table", "an array", "a text", "an integer", "a float", "a boolean", "a date or time"}[n.kind]
}

// template reads a text with placeholders. A value from outside the file is taken as it is: braces in a
// secret are no placeholders.
func (r *reader) template(n *node) (Template, bool) {
	text, ok := r.text(n)
	if !ok {
		return Template{}, false
	}
	if file, isFile := fileOf(n); isFile {
		return secretTemplate(text, "{file:"+file.text+"}"), true
	}
	if outside(n) {
		return secretTemplate(text, n.text), true
	}
	t, mistakes := parseTemplate(text, placeholders)
	for _, m := range mistakes {
		r.wrong(n, "%s", m)
	}
	return t, true
}
