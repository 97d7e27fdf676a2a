package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

func auths(t *testing.T) map[string]config.Auth {
	t.Helper()
	all := map[string]config.Auth{}
	for _, o := range load(t, "auths.toml", "TOKEN", "canary-{token}").Owners {
		all[o.Name] = o.Auth
	}
	return all
}

func TestEveryKeyOfSessionsAndSignatures(t *testing.T) {
	secret := func(text string) config.SecretValue {
		return config.SecretValue{Kind: config.Text, Secret: config.NewSecret(text)}
	}
	all := auths(t)
	same(t, "a session", config.Auth{Kind: config.AuthLogin, Login: &config.Login{
		Path: "/session?v=2", Headers: secrets("X-App", "canary-file"), Header: "X-Session", Scheme: "Session",
		Token: config.Place{Body: path(`data.0."access.token"`)}, Expires: config.Place{Header: "X-Expires"},
		Body: &config.SecretValue{Kind: config.Object, Members: []config.SecretMember{
			{Name: "user", Value: secret("me")},
			{Name: "password", Value: secret("canary-{token}")},
			{Name: "device", Value: config.SecretValue{Kind: config.Object, Members: []config.SecretMember{
				{Name: "ids", Value: config.SecretValue{Kind: config.List, Items: []config.SecretValue{
					{Kind: config.Number, Scalar: "1"}, {Kind: config.Number, Scalar: "2.5"}, secret("canary-{token}"),
				}}},
				{Name: "trusted", Value: config.SecretValue{Kind: config.Boolean, Scalar: "true"}},
				{Name: "at", Value: secret("2026-11-23T04:00:00Z")},
			}}},
		}},
	}}, all["session"])
	same(t, "a cookie", config.Auth{Kind: config.AuthLogin, Login: &config.Login{
		Path: "/login", Form: secrets("user", "me", "password", "canary-file"), Cookie: "sid", Lasts: 8 * time.Hour,
	}}, all["cookie"])
	same(t, "a bare token", config.Auth{Kind: config.AuthLogin, Login: &config.Login{
		Path: "/login", Token: config.Place{Body: field("token")}, Header: "Authorization",
	}}, all["bare"])
	signed := *all["signed"].HMAC
	for what, got := range map[string]config.Template{
		"{method}\n{header.X-Time}{{}}": signed.Sign, "{timestamp_ms}": signed.Headers[0].Value,
		"HMAC {key}:{signature}": signed.Headers[2].Value, "{signature}": signed.Query[0].Value,
	} {
		if got.String() != what {
			t.Errorf("%q is read as %q", what, got)
		}
	}
	if !signed.Headers[1].Secret.Equal(config.NewSecret("canary-{token}")) || !signed.Headers[1].Value.IsZero() || signed.Query[0].Name != "sig" {
		t.Errorf("a header from the environment is %v, the parameter %q", signed.Headers[1].Value, signed.Query[0].Name)
	}
	signed.Sign, signed.Headers, signed.Query = config.Template{}, nil, nil
	same(t, "hmac", config.HMAC{
		Secret: config.NewSecret("63616e617279"), SecretAs: "hex", Key: config.NewSecret("canary-{token}"), Algorithm: "sha512", Encoding: "base64",
	}, signed)
	same(t, "sigv4", config.Auth{Kind: config.AuthSigV4, SigV4: &config.SigV4{
		Region: "eu-central-1", Service: "execute-api", AccessKey: config.NewSecret("canary-id"),
		SecretKey: config.NewSecret("canary-{token}"), SessionToken: config.NewSecret("canary-file"),
	}}, all["aws"])
}

// readAgain is what a secret is by now, or why that is not known.
func readAgain(t *testing.T, s config.Secret) string {
	t.Helper()
	read, err := s.Again()
	if err == nil {
		return read.Reveal()
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") {
		t.Errorf("an error shows the secret: %v", err)
	}
	return err.Error()
}

// A secret is read again from where it came, checked as at first, and shown by no error.
func TestSecretsAreReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "larder.toml")
	token := filepath.Join(filepath.Dir(file), "token")
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(auth string, environment map[string]string) config.Auth {
		t.Helper()
		write(token, "63616e61727931\n")
		write(file, strings.Replace(shop, "owner.users.url", "owner.users.auth = "+auth+"\nowner.users.url", 1))
		c, err := config.Load(file, func(name string) (string, bool) { value, ok := environment[name]; return value, ok })
		if err != nil {
			t.Fatal(err)
		}
		return c.Owners[0].Auth
	}
	literal := read(`{ bearer = "canary" }`, nil).Bearer
	environment := map[string]string{"T": "canary-1"}
	fromEnvironment := read(`{ basic = { user = "me", password = "${T}" } }`, environment).Password
	fromFile := read(`{ header = { X-Key = { file = "token" } } }`, nil).Values[0].Value
	encoded := read(`{ hmac = { secret = { file = "token" }, secret_encoding = "hex", sign = "{path}", header = "X-S" } }`, nil).HMAC.Secret
	environment["T"] = "canary-2"
	write(token, "canary-2\r\n")
	for name, x := range map[string]struct{ got, want string }{
		"a literal":       {readAgain(t, literal), "canary"},
		"none":            {readAgain(t, config.Secret{}), ""},
		"the environment": {readAgain(t, fromEnvironment), "canary-2"},
		"a file":          {readAgain(t, fromFile), "canary-2"},
		"a file of hex":   {readAgain(t, encoded), "it is not hex, as secret_encoding says"},
		"the first value": {fromFile.Reveal(), "63616e61727931"},
	} {
		if x.got != x.want {
			t.Errorf("%s is %q, want %q", name, x.got, x.want)
		}
	}
	delete(environment, "T")
	write(token, "canary\x00\n")
	if got := readAgain(t, fromEnvironment) + readAgain(t, fromFile); got != "the environment has no Tit holds a line break or another control character, which no header can carry" {
		t.Errorf("%q", got)
	}
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if got := readAgain(t, fromFile); got != `read "token": no such file or directory` {
		t.Errorf("%q", got)
	}
	write(token, "canary-3")
	if renewed, err := fromFile.Again(); err != nil || readAgain(t, renewed) != "canary-3" {
		t.Errorf("a secret that was read again cannot be once more: %v", err)
	}
}
