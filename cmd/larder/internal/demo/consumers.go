package demo

import (
	"slices"
	"time"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

// consumer is a service of the ride game that keeps copies.
type consumer struct {
	name   string
	does   string
	copies []copied
	// read is the query that it lives by. It works from the copies alone.
	read string
	db   database
	// saw is given the rows of each read; nil: nobody asks.
	saw func(rows []owners.Row, now time.Time)
}

// copied is one copy: what plain SQL and the owner's memory are compared on.
type copied struct {
	table, owner string
	// columns are the key's first, then all others that larder keeps.
	key, columns []string
}

// needsUsers reports whether a chain of calls would ask the users service for
// every read of this consumer.
func (c *consumer) needsUsers() bool {
	return slices.ContainsFunc(c.copies, func(t copied) bool { return t.owner == owners.Users })
}

// cast is the demo's consumers. It is the other half of larder.toml.tmpl.
func cast() []*consumer {
	id := []string{"id"}
	return []*consumer{
		{
			name: "leaderboard", does: "shows names and faces",
			copies: []copied{{owners.Users, owners.Users, id, []string{"id", "display_name", "avatar_url", "updated_at"}}},
			read:   `select display_name, avatar_url from users order by id desc limit 10`,
		},
		{
			name: "challenge", does: "sends riders out for prizes, if the weather is fine",
			copies: []copied{
				{owners.Users, owners.Users, id, []string{"id", "display_name", "updated_at"}},
				{owners.Products, owners.Products, []string{"sku"}, []string{"sku", "name", "price", "stock", "modified"}},
				{owners.Weather, owners.Weather, []string{"city", "time"}, []string{"city", "time", "temperature", "wind"}},
			},
			read: `select u.display_name, p.name, w.temperature
				from (select display_name from users order by id desc limit 3) u
				cross join (select name from products order by stock desc limit 1) p
				cross join (select temperature from weather where city = 'Lisbon' order by time limit 1) w`,
		},
		{
			name: "notification", does: "mails riders",
			copies: []copied{{owners.Users, owners.Users, id, []string{"id", "email", "updated_at"}}},
			read:   `select email, updated_at from users order by updated_at desc limit 30`,
		},
		{
			name: "trip", does: "joins passengers with their drivers",
			copies: []copied{
				{owners.Passengers, owners.Passengers, id, []string{"id", "name", "driver_id", "updated"}},
				{owners.Drivers, owners.Drivers, id, []string{"id", "name", "plate", "rating", "status", "updated_at"}},
			},
			read: `select p.name, d.name as driver, d.plate
				from passengers p join drivers d on d.id = p.driver_id order by p.id limit 20`,
		},
	}
}
