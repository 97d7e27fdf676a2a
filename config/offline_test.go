package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-sync/larder/config"
)

// Who only asks databases needs none of the owners' secrets, but all else.
func TestLoadForDatabases(t *testing.T) {
	const text = `
consumer.shop.database = "sqlite:shop.db"
[owner.users]
url  = "${USERS_URL}"
auth = { bearer = { file = "/nowhere/token" } }
[owner.other]
url  = "https://other.internal"
auth = { basic = { user = "${OTHER_USER}", password = "${OTHER_PASSWORD}" } }
[source.users]
owner     = "users"
request   = { path = "/users", query = { since = "{since}" } }
records   = { at = "data", key = "id", deleted = "deleted_at" }
watermark = "updated_at"
[[table]]
source  = "users"
budget  = "15m"
columns = { id = "bigint" }
`
	file := filepath.Join(t.TempDir(), "larder.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	nothing := func(string) (string, bool) { return "", false }
	write(text)
	if _, err := config.LoadForDatabases(file, nothing); err != nil {
		t.Errorf("without the owners' secrets: %v", err)
	}
	if _, err := config.Load(file, nothing); err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("load as for polling tells %v, want the four that are missing", err)
	}
	write(strings.Replace(text, "sqlite:shop.db", "${SHOP_DATABASE}", 1))
	if _, err := config.LoadForDatabases(file, nothing); err == nil || !strings.Contains(err.Error(), "SHOP_DATABASE") {
		t.Errorf("without the consumer's database: %v", err)
	}
}
