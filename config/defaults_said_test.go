package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/config"
)

// partners are what a key needs beside it, by the beginning of its path.
var partners = []struct{ path, lines string }{
	{"owner.NAME.burst", `owner.o.rate = "1/s"`},
	{"owner.NAME.allow_hosts.", `owner.o.allow_hosts.host = "files.example.com"`},
	{"owner.NAME.auth.scheme", `owner.o.auth.bearer = "x"`},
	{"owner.NAME.auth.login.", "owner.o.auth.login.path = \"/login\"\nowner.o.auth.login.token = \"token\""},
	{"owner.NAME.auth.hmac.", "owner.o.auth.hmac.secret = \"x\"\nowner.o.auth.hmac.sign = \"{path}\"\nowner.o.auth.hmac.header = \"X-S\""},
	{"larder.tokens.", `larder.tokens.read = "0123456789abcdef"`},
	{"larder.heartbeat.", `larder.heartbeat.url = "https://h"`},
	{"alert.NAME.levels", `alert.a.kind = "log"`},
	{"alert.NAME.repeat", `alert.a.kind = "log"`},
	{"alert.NAME.resolved", `alert.a.kind = "log"`},
	{"alert.NAME.group", `alert.a.kind = "log"`},
	{"alert.NAME.auth.scheme", "alert.a.kind = \"webhook\"\nalert.a.url = \"https://h\"\nalert.a.secret = \"whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\"\nalert.a.auth.bearer = \"x\""},
	{"alert.NAME.hours_off.", "alert.a.kind = \"log\"\nalert.a.hours_off.from = \"01:00\"\nalert.a.hours_off.to = \"02:00\""},
	{"nudge.NAME.", `nudge.n.secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"`},
	{"source.NAME.audit.", `source.s.audit.schedule = "@daily"`},
	{"source.NAME.audit.share", `source.s.audit.compare = "sample"`},
	{"source.NAME.epoch.", `source.s.epoch.at = "epoch"`},
	{"source.NAME.paging.", `source.s.request.query.page = "{page}"`},
	{"source.NAME.records.hydrate.", `source.s.records.hydrate.request = { path = "/whole", query = { ids = "{keys}" } }`},
	{"source.NAME.resync.records.", `source.s.resync.records.at = "data"`},
	{"source.NAME.resync.", `source.s.resync.request.path = "/all"`},
}

// A key that says its default changes nothing: the defaults of the table of keys are those that are in force.
func TestSayingADefaultChangesNothing(t *testing.T) {
	keys, checked := keysOf(t), 0
	for path := range documented(t) {
		value, ok := keys[path].is["default"]
		if !ok {
			continue
		}
		checked++
		before := []string{
			`consumer.c.database = "sqlite:c.db"`, `owner.o.url = "https://o"`, `source.s.request.query.since = "{since}"`,
			`source.s.records.key = "id"`, `source.s.records.deleted = "never"`, `source.s.watermark.from = "changed"`,
		}
		for _, p := range partners {
			if strings.HasPrefix(path, p.path) {
				before = append(before, p.lines)
			}
		}
		after := "[[table]]\nsource = \"s\"\nbudget.critical = \"1h\"\ncolumns.id = \"text\"\n"
		line := pathOf(path) + " = " + inTOML(t, value) + "\n"
		head := strings.Join(before, "\n") + "\n"
		without, with := head+after, head+line+after
		if below, isTable := strings.CutPrefix(line, "table."); isTable {
			with = without + below
		}
		want, got := parsed(t, without), parsed(t, with)
		for _, x := range []struct{ want, got any }{
			{want.Larder, got.Larder}, {want.Consumers, got.Consumers}, {want.Owners, got.Owners},
			{want.Sources, got.Sources}, {want.Tables, got.Tables}, {want.Alerts, got.Alerts}, {want.Nudges, got.Nudges},
		} {
			if diff := cmp.Diff(x.want, x.got, unexported); diff != "" {
				t.Errorf("%s is not what is in force without it (-without +with):\n%s", strings.TrimSpace(line), diff)
			}
		}
	}
	if checked < 30 {
		t.Errorf("only %d defaults: this test does not see them", checked)
	}
}

// pathOf names the things of the small config.
func pathOf(path string) string {
	for section, name := range map[string]string{"consumer": "c", "owner": "o", "source": "s", "alert": "a", "nudge": "n"} {
		path = strings.Replace(path, section+".NAME.", section+"."+name+".", 1)
	}
	return path
}

// inTOML writes a text, number, flag or list, which JSON writes as TOML does.
func inTOML(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("larder.toml", []byte(text), environ())
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return c
}
