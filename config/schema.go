package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SchemaID names the JSON Schema of larder.toml. It stays the same from version to version.
const SchemaID = "https://raw.githubusercontent.com/larder-sync/larder/main/config/larder.schema.json"

// schema is a JSON Schema of draft 2020-12, in those keywords that older drafts and editors of TOML know, too.
type schema struct {
	Schema      string            `json:"$schema,omitempty"`
	ID          string            `json:"$id,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Default     any               `json:"default,omitempty"`
	Ref         string            `json:"$ref,omitempty"`
	Type        string            `json:"type,omitempty"`
	Const       any               `json:"const,omitempty"`
	Enum        []string          `json:"enum,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Minimum     *int64            `json:"minimum,omitempty"`
	Maximum     *int64            `json:"maximum,omitempty"`
	Items       *schema           `json:"items,omitempty"`
	MinItems    int               `json:"minItems,omitempty"`
	AnyOf       []schema          `json:"anyOf,omitempty"`
	Properties  properties        `json:"properties,omitempty"`
	Required    []string          `json:"required,omitempty"`
	Additional  any               `json:"additionalProperties,omitempty"` // false, or the schema of what has any name
	Defs        map[string]schema `json:"$defs,omitempty"`
}

// properties are written in the order of the table of keys.
type properties []property

type property struct {
	name string
	is   schema
}

// MarshalJSON writes one object.
func (ps properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, p := range ps {
		if i > 0 {
			b.WriteByte(',')
		}
		is, err := json.Marshal(p.is)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", p.name, is)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Schema returns the JSON Schema of larder.toml, as it is made from the table of keys. A file that Load takes is
// valid by it. The other way round it knows what can be told key by key: names, types, words and bounds of numbers.
func Schema() ([]byte, error) {
	m := schemaMaker{defs: map[string]schema{
		"environment": {Description: "Read from the environment.", Type: "string", Pattern: environment.String()},
		"file": {
			Description: "Read from a file, without the line break at its end.",
			Type:        "object", Properties: properties{{"file", schema{Type: "string"}}}, Required: []string{"file"}, Additional: false,
		},
	}}
	file, _ := fileKeys().variant(isTable)
	s := m.table(file, false)
	s.Required = []string{"table"}
	s.Schema, s.ID, s.Title = "https://json-schema.org/draft/2020-12/schema", SchemaID, "larder.toml"
	s.Description = "Which services are polled, what is copied from them, and into whose database."
	s.Defs = m.defs
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, fmt.Errorf("encode JSON Schema: %w", err)
	}
	return b.Bytes(), nil
}

type schemaMaker struct{ defs map[string]schema }

// key is the schema of a value. whole tells that no default is merged into it.
func (m schemaMaker) key(k key, whole bool) schema {
	s := m.form(k.is, whole)
	s.Description = k.describe()
	if _, absent := k.def.(absence); !absent {
		s.Default = k.def
	}
	return s
}

// describe says what the key is, with what a schema cannot say otherwise.
func (k key) describe() string {
	says := k.says
	if v, ok := k.is.variant(isDuration); ok {
		says += fmt.Sprintf(" %s to %s.", showDuration(time.Duration(v.low)), showDuration(time.Duration(v.high)))
	}
	if v, ok := k.is.variant(isSize); ok {
		says += fmt.Sprintf(" %s to %s.", showSize(v.low), showSize(v.high))
	}
	if k.def == required {
		says += " Required."
	}
	return says
}

// form is the schema of a form: one variant, or any of several.
func (m schemaMaker) form(f form, whole bool) schema {
	var all []schema
	quoted, anyText := false, false
	for _, v := range f {
		quoted = quoted || v.kind.isQuoted()
		anyText = anyText || v.kind == isText
		if v.kind == isTable && v.obvious != "" {
			all = append(all, m.form(f.below(v.obvious), whole).variants()...)
		}
		all = append(all, m.variant(v, whole)...)
	}
	if quoted && !anyText {
		all = append(all, schema{Ref: "#/$defs/environment"})
	}
	if quoted {
		all = append(all, schema{Ref: "#/$defs/file"})
	}
	if len(all) == 1 {
		return all[0]
	}
	return schema{AnyOf: all}
}

// variants are the parts of a schema that is any of several.
func (s schema) variants() []schema {
	if s.AnyOf != nil {
		return s.AnyOf
	}
	return []schema{s}
}

func (k variantKind) isQuoted() bool {
	switch k {
	case isText, isChoice, isDuration, isSize, isShare, isRate, isColumnType:
		return true
	}
	return false
}

func (m schemaMaker) variant(v variant, whole bool) []schema {
	switch v.kind {
	case isText:
		if len(v.words) > 0 { // for editors, which offer them
			return []schema{{Type: "string", Enum: v.words}, {Type: "string"}}
		}
		return []schema{{Type: "string"}}
	case isChoice:
		return []schema{{Type: "string", Enum: v.words}}
	case isFlag:
		if len(v.words) > 0 {
			return []schema{{Type: "boolean", Const: v.words[0] == "true"}}
		}
		return []schema{{Type: "boolean"}}
	case isInteger:
		return []schema{{Type: "integer", Minimum: &v.low, Maximum: &v.high}}
	case isNumber:
		return []schema{{Type: "number"}}
	case isColumnType:
		return []schema{{Type: "string", Enum: ColumnTypes()}, {Type: "string", Pattern: columnTypePattern()}}
	case isTable, isNames:
		return []schema{m.shared(v, whole)}
	case isList:
		items := m.form(v.of, whole)
		return []schema{{Type: "array", Items: &items, MinItems: v.least}}
	case isAny:
		return []schema{{}}
	}
	return []schema{{Type: "string", Pattern: v.kind.pattern()}}
}

// shared is the schema of a table, or a reference to it.
func (m schemaMaker) shared(v variant, whole bool) schema {
	if v.shared == "" {
		return m.table(v, whole)
	}
	if _, made := m.defs[v.shared]; !made {
		m.defs[v.shared] = m.table(v, whole)
	}
	return schema{Ref: "#/$defs/" + v.shared}
}

func (m schemaMaker) table(v variant, whole bool) schema {
	if v.kind == isNames {
		return schema{Type: "object", Additional: m.form(v.of, whole)}
	}
	s := schema{Type: "object", Additional: false}
	whole = whole || v.whole
	for _, k := range v.keys {
		s.Properties = append(s.Properties, property{k.name, m.key(k, whole)})
		if whole && k.def == required {
			s.Required = append(s.Required, k.name)
		}
	}
	return s
}

// pattern is what a text of the kind looks like.
func (k variantKind) pattern() string {
	var units []string
	switch k {
	case isDuration:
		for _, u := range durationUnits {
			units = append(units, u.name)
		}
		return "^([0-9]+(" + strings.Join(units, "|") + "))+$"
	case isSize:
		for _, u := range sizeUnits {
			units = append(units, u.name)
		}
		return "^[0-9]+(" + strings.Join(units, "|") + ")$"
	case isShare:
		return `^0*(100(\.0*)?|[0-9]{1,2}(\.[0-9]*)?|\.[0-9]+)%$`
	}
	return "^0*[1-9][0-9]*/(s|m|h)$" // of a rate
}

// columnTypePattern is a type with what may stand behind it.
func columnTypePattern() string {
	plain := slices.DeleteFunc(ColumnTypes(), func(name string) bool { return name == "numeric" })
	return "^(" + strings.Join(plain, "|") + `|numeric(\([0-9]{1,4}(, ?[0-9]{1,4})?\))?)( not null)?$`
}
