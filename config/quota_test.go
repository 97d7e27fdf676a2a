package config_test

import (
	"testing"

	"github.com/larder-sync/larder/config"
)

// Where quotas are told, and where links may lead: every key, and the short forms.
func TestEveryKeyOfQuotaAndHosts(t *testing.T) {
	owners := load(t, "owner.toml").Owners
	same(t, "quota", config.Quota{
		Remaining: config.Place{Header: "X-Left"}, Reset: config.Place{Body: path("meta.reset")}, Format: config.ResetUnixMS,
		Cost: config.Place{Header: "X-Cost"},
		Refused: config.Test{At: config.Place{Body: path("error.code")}, Equals: []config.Scalar{
			{Kind: config.Text, Text: "busy"}, {Kind: config.Text, Text: "slow"},
		}},
	}, owners[0].Quota)
	same(t, "hosts", []config.AllowedHost{
		{Host: "files.example.com"}, {Host: "pages.example.com:8443", Credentials: true}, {Host: "[2001:db8::1]:443"},
	}, owners[0].AllowHosts)
	same(t, "what comes back bit by bit", config.Quota{
		Remaining: config.Place{Body: field("left")}, Restore: config.Place{Body: field("rate")},
	}, owners[1].Quota)
	same(t, "one host", []config.AllowedHost{{Host: "files.example.com"}}, owners[1].AllowHosts)
	same(t, "none", config.Quota{Off: true}, owners[2].Quota)
}
