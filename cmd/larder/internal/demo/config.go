package demo

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

//go:embed larder.toml.tmpl
var configTemplate string

// settings are the environment of the demo's daemon, in a fixed order. They
// are the only place of credentials.
type settings []setting

type setting struct{ name, value string }

// lookup finds a variable, as os.LookupEnv does. The process's own environment
// plays no part.
func (s settings) lookup(name string) (string, bool) {
	for _, v := range s {
		if v.name == name {
			return v.value, true
		}
	}
	return "", false
}

// script is the settings as a shell reads them.
func (s settings) script() string {
	var b strings.Builder
	for _, v := range s {
		fmt.Fprintf(&b, "export %s='%s'\n", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
	}
	return b.String()
}

// credentials are what the owners ask for, by the names in larder.toml.tmpl.
func credentials(f *owners.Fleet) settings {
	passengers := f.Service(owners.Passengers).Credentials()
	return settings{
		{"USERS_TOKEN", f.Service(owners.Users).Credentials().Bearer},
		{"PASSENGERS_USER", passengers.User},
		{"PASSENGERS_PASSWORD", passengers.Password},
		{"PRODUCTS_KEY", f.Service(owners.Products).Credentials().Key},
	}
}

// config writes larder.toml for this run. databases are the config texts of the
// consumers' databases, in the consumers' order.
func (s *stage) config(listen string, databases []string) ([]byte, error) {
	type database struct{ Consumer, Text string }
	data := struct {
		Listen, OnCall string
		Databases      []database
		URL            map[string]string
		Cities         []owners.City
	}{Listen: listen, OnCall: s.onCall.url(), URL: make(map[string]string), Cities: owners.Cities()}
	for i, c := range s.consumers {
		data.Databases = append(data.Databases, database{c.name, databases[i]})
	}
	for _, o := range s.fleet.Services() {
		data.URL[o.Name()] = o.URL()
	}
	t, err := template.New("larder.toml").Option("missingkey=error").Parse(configTemplate)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return nil, err
	}
	return []byte(b.String()), nil
}
