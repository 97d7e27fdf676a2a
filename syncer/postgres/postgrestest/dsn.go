package postgrestest

import (
	"errors"
	"net/url"
)

// login is what a DSN says about who connects and where to. Empty fields leave the DSN's own.
type login struct{ user, password, database string }

// rewrite puts to into dsn and keeps everything else.
func rewrite(dsn string, to login) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("read the DSN of the test's Postgres: want postgres://…") // err would show a password
	}
	query := u.Query() // libpq takes all parts there too, and there they win
	if to.user != "" {
		u.User = url.UserPassword(to.user, to.password)
		query.Del("user")
		query.Del("password")
	}
	if to.database != "" {
		u.Path = "/" + to.database
		query.Del("dbname")
		query.Del("database")
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}
