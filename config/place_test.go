package config_test

import (
	"testing"

	"github.com/larder-sync/larder/config"
)

// What other packages find wrong is told where it stands; for a key that was left out, at the table above.
func TestAt(t *testing.T) {
	c := load(t, "every-key.toml", "APP_DATABASE", "postgres://db/app", "TOKEN", "x")
	for _, x := range []struct{ keyPath, want string }{
		{"source.users.schedule", `40:12: source "users": schedule: never comes`},
		{"source.users.request.body.flags.max", `56:31: source "users": request.body.flags.max: never comes`},
		{"source.weather.schedule", `87:9: source "weather": never comes`},
		{"source.weather.each.values[1].city", `90:80: source "weather": each.values[1].city: never comes`},
		{"table[0].budget", `98:14: table "people": budget: never comes`},
		{"table[0].budget.critical", `98:27: table "people": budget.critical: never comes`},
		{"table[1].misfit", `105:3: table "public.weather": never comes`},
		{`table[1].columns."a.b"`, `117:9: table "public.weather": columns."a.b": never comes`},
		{"table[7].budget", `94:3: table: never comes`},
		{"larder.timezone", `3:15: larder: timezone: never comes`},
		{"source.gone.schedule", `38:2: source: never comes`},
		{"[", `1:1: never comes`},
	} {
		const file = "testdata/good/every-key.toml:"
		if got := c.Mistake(x.keyPath, "never %s", "comes").Error(); got != file+x.want {
			t.Errorf("%s:\n got %s\nwant %s", x.keyPath, got, file+x.want)
		}
	}
	if got := c.At(c.Sources[0].KeyPath + ".schedule").String(); got != "testdata/good/every-key.toml:40:12" {
		t.Errorf("At: %s", got)
	}
}

// Values that come from [defaults] are found there, and columns are counted in characters.
func TestAtDefaults(t *testing.T) {
	c, err := config.Parse("l.toml", []byte(shop+"[defaults.source]\n\"schedule\" = \"é\"\nlag  = \"1s\" # é\n"), environ())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Mistake("source.users.lag", "is long").Error(); got != `l.toml:13:8: defaults.source: lag: is long` {
		t.Error(got)
	}
}
