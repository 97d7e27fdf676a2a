package config_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-sync/larder/config"
)

// A canary sits in every place for secrets; no way of printing or encoding any struct shows it.
func TestSecretsPrintNowhere(t *testing.T) {
	c := everyKey(t)
	if c.Owners[0].Auth.Bearer.Reveal() != "canary-{token}" {
		t.Fatal("the canary is not in its place")
	}
	things := []any{*c, c.Larder}
	for _, one := range c.Consumers {
		things = append(things, *one, one.Database)
	}
	for _, one := range c.Owners {
		things = append(things, *one, one.Auth, one.Headers)
	}
	for _, one := range c.Sources {
		things = append(things, *one, one.Request)
	}
	for _, one := range c.Tables {
		things = append(things, *one)
	}
	for _, one := range c.Alerts {
		things = append(things, *one)
	}
	for _, one := range c.Nudges {
		things = append(things, *one)
	}
	things = append(things, *c.Larder.Heartbeat)
	oauth2 := load(t, "audits.toml", "TOKEN", "canary-{token}").Owners[0]
	if oauth2.Auth.OAuth2.ClientSecret.Reveal() != "canary-{token}" {
		t.Fatal("the canary is not in its place")
	}
	things = append(things, *oauth2, oauth2.Auth, *oauth2.Auth.OAuth2)
	for _, a := range auths(t) {
		things = append(things, a)
		switch a.Kind {
		case config.AuthLogin:
			things = append(things, *a.Login)
			if a.Login.Body != nil {
				things = append(things, *a.Login.Body)
			}
		case config.AuthHMAC:
			things = append(things, *a.HMAC)
		case config.AuthSigV4:
			things = append(things, *a.SigV4)
		}
	}
	for _, thing := range things {
		printed := fmt.Sprint(thing)
		for _, verb := range verbs(thing) {
			printed += fmt.Sprintf(verb, thing)
		}
		encoded, err := json.Marshal(thing)
		if err != nil {
			t.Fatal(err)
		}
		printed += string(encoded)
		for _, canary := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary")} {
			if strings.Contains(printed, canary) {
				at := strings.Index(printed, canary)
				t.Errorf("%T prints %q: %s", thing, canary, printed[max(0, at-200):at+20])
			}
		}
	}
}

// A secret withstands every verb, suited or not, wherever it is held.
func TestSecretWithstandsEveryVerb(t *testing.T) {
	secret := config.NewSecret("canary")
	for _, holder := range []any{secret, &secret, struct{ S any }{secret}, []config.Secret{secret}, map[string]any{"k": secret}} {
		for _, verb := range "vsqxXdtpbceEfFgGoOUw" {
			for _, flag := range []string{"", "+", "#", "-9", ".3"} {
				if got := fmt.Sprintf("%"+flag+string(verb), holder); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
					t.Errorf("%%%s%c of %T prints %s", flag, verb, holder, got)
				}
			}
		}
	}
	if !config.NewSecret("").IsZero() || !(config.Secret{}).IsZero() || secret.IsZero() || secret.Equal(config.NewSecret("other")) {
		t.Error("an empty secret, or two different ones, are told wrongly")
	}
}

// verbs are those that suit the type: for others fmt follows pointers and passes all methods by, which only a
// Secret withstands, but not the text of an ordinary header.
func verbs(thing any) []string {
	switch thing.(type) {
	case config.Config, config.Table, config.Nudge:
		return []string{"%v", "%+v", "%#v"}
	}
	return []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"}
}

// Whatever stands where a secret is meant, a mistake about it does not repeat it.
func TestSecretsInNoMistake(t *testing.T) {
	values := []string{
		`"canary"`, `""`, `5`, `["canary"]`, `{ canary = 1 }`, `{ user = 5, password = "canary" }`, `{ X-Key = 5 }`,
		`"${CANARY}"`, `{ file = "../token" }`, `{ file = "no" }`, `"canary\n"`, `{ password = "canary", pasword = "canary" }`,
		`"postgres://canary:canary@[bad/x"`, `"https://canary:canary@host"`, `"http://host/?canary"`, `"canary://host"`,
	}
	for _, place := range []string{
		"consumer.shop.database = %s\n", "owner.users.url = %s\n", "larder.home = %s\n",
		"owner.users.auth = %s\n", "owner.users.auth = { bearer = %s }\n", "owner.users.auth = { basic = %s }\n",
		"owner.users.auth = { basic = { user = \"u\", password = %s } }\n", "owner.users.auth = { header = %s }\n",
		"owner.users.auth = { query = { key = %s } }\n", "owner.users.auth = { header = { X-Key = %s } }\n",
		"owner.users.headers = { X-Key = %s }\n", "owner.users.auth = { oauth2 = %s }\n",
		"owner.users.auth = { oauth2 = { token_url = %s } }\n", "owner.users.auth = { oauth2 = { client_secret = %s } }\n",
		"owner.users.auth = { login = %s }\n", "owner.users.auth = { login = { path = %s } }\n", "owner.users.auth = { login = { body = %s } }\n",
		"owner.users.auth = { login = { form = { password = %s } } }\n", "owner.users.auth = { login = { headers = { X-Key = %s } } }\n",
		"owner.users.auth = { hmac = %s }\n", "owner.users.auth = { hmac = { secret = %s } }\n", "owner.users.auth = { hmac = { key = %s } }\n",
		"owner.users.auth = { hmac = { secret = %s, secret_encoding = \"base64\" } }\n", "owner.users.auth = { hmac = { header = { X-Key = %s } } }\n",
		"owner.users.auth = { sigv4 = %s }\n", "owner.users.auth = { sigv4 = { secret_key = %s } }\n", "owner.users.auth = { sigv4 = { session_token = %s } }\n",
		"alert.a.kind = \"webhook\"\nalert.a.url = %s\n", "alert.a.kind = \"slack\"\nalert.a.url = %s\n", "alert.a.kind = \"webhook\"\nalert.a.secret = %s\n",
		"alert.a.kind = \"alertmanager\"\nalert.a.urls = %s\n", "alert.a.kind = \"pagerduty\"\nalert.a.routing_key = %s\n",
		"alert.a.kind = \"ntfy\"\nalert.a.topic = %s\n", "alert.a.kind = \"ntfy\"\nalert.a.token = %s\n", "alert.a.kind = \"email\"\nalert.a.smtp = %s\n",
		"alert.a.kind = \"log\"\nalert.a.url = %s\n", "defaults.alert.secret = %s\nalert.a.kind = \"webhook\"\n",
		"nudge.users.secret = %s\n", "nudge.users.kind = \"github\"\nnudge.users.secret = [%s]\n",
		"larder.tokens = %s\n", "larder.tokens.read = %s\n", "larder.heartbeat = %s\n", "larder.heartbeat.url = %s\n",
		"owner.users.auth = { oauth2 = { params = %s } }\n", "owner.users.auth = { oauth2 = { scopes = [%s] } }\n",
	} {
		for _, value := range values {
			// A key is the name of something, and told: only values are secrets.
			text := strings.ReplaceAll(fmt.Sprintf(place, value), "{ canary =", "{ k =")
			_, err := config.Parse("testdata/bad/l.toml", []byte(text), environ("CANARY", "canary"))
			if err == nil {
				t.Fatalf("%s is a whole config", text)
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("%sgives %v", text, err)
			}
		}
	}
}

// A value from a file ends before its line break; a file that is no file, or endless, is a mistake.
func TestFileValues(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("token", "s3cret\r\n")
	write("huge", strings.Repeat("x", 5<<20))
	config1 := strings.ReplaceAll(shop, `owner.users.url`, "owner.users.auth = { bearer = { file = \"token\" } }\nowner.users.url")
	write("larder.toml", config1)
	c, err := config.Load(filepath.Join(dir, "larder.toml"), environ())
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Owners[0].Auth.Bearer.Reveal(); got != "s3cret" {
		t.Errorf("the token is %q", got)
	}
	for _, file := range []string{"huge", "/dev/zero", "."} {
		write("larder.toml", strings.ReplaceAll(config1, `"token"`, `"`+file+`"`))
		if _, err := config.Load(filepath.Join(dir, "larder.toml"), environ()); err == nil {
			t.Errorf("%s was read as a value", file)
		}
	}
	if _, err := config.Load(filepath.Join(dir, "none.toml"), environ()); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("a config that is not there: %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}
