package main

import (
	"strings"
	"testing"
	"time"

	"github.com/larder-sync/larder/config"
)

const audited = `
consumer.shop.database = "sqlite:shop.db"
owner.users.url        = "https://users.internal"
[source.users]
schedule  = "@every 1m"
audit     = "AUDIT"
lag       = "1m"
jitter    = "0s"
request   = { path = "/users", query = { since = "{since}" } }
records   = { key = "id" DELETED }
watermark = { from = "updated_at", overlap = "3m" }
[[table]]
source  = "users"
budget  = { critical = "15m" DELETES }
columns = { id = "bigint" }
`

// A deletion that only audits see may stay unseen for the longest gap between two of them, until the second look at
// it after overlap and lag. A budget must be longer, and is a tenth longer where it is left out.
func TestDeletesBudget(t *testing.T) {
	const around = time.Minute + 4*time.Minute // lag, and overlap with lag
	for _, x := range []struct {
		audit, deleted, deletes string
		want                    time.Duration
		wrong                   string
	}{
		{audit: "@daily", want: (24*time.Hour + around) * 11 / 10},
		{audit: "0 3 * * 1-5", want: (72*time.Hour + around) * 11 / 10},
		{audit: "@daily", deletes: `, deletes = "25h"`, want: 25 * time.Hour},
		{audit: "@daily", deletes: `, deletes = "24h5m1s"`, want: 24*time.Hour + around + time.Second},
		{audit: "@daily", deletes: `, deletes = "24h5m0s"`, wrong: `24h5m is not longer than the 24h5m that`},
		{audit: "0 3 * * 1-5", deletes: `, deletes = "25h"`, wrong: `25h is not longer than the 3d5m that`},
		{audit: "@daily", deleted: `, deleted = "deleted_at"`, want: 0},
		{audit: "61 * * * *", wrong: "audit.schedule"},
	} {
		text := strings.NewReplacer("AUDIT", x.audit, "DELETED", x.deleted, "DELETES", x.deletes).Replace(audited)
		c, err := config.Parse("larder.toml", []byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		plans, mistakes := schedulesOf(c)
		if x.wrong != "" {
			if len(mistakes) != 1 || !strings.Contains(mistakes.Error(), x.wrong) {
				t.Errorf("audit %q%s: %v, want one mistake with %q", x.audit, x.deletes, mistakes, x.wrong)
			}
			continue
		}
		if len(mistakes) > 0 {
			t.Errorf("audit %q%s: %v", x.audit, x.deletes, mistakes)
			continue
		}
		if got := plans[c.Sources[0]].deletesBudget(c.Tables[0]); got != x.want {
			t.Errorf("audit %q%s%s: deletions may stay unseen for %v, want %v", x.audit, x.deleted, x.deletes, got, x.want)
		}
	}
}
