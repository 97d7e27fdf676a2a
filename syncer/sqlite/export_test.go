package sqlite

import "zombiezen.com/go/sqlite"

// Authorize has every statement that the writing connection runs from here on
// judged as it is prepared, which all of them are anew.
func (d *Database) Authorize(judge func() bool) error {
	c := <-d.writer
	defer func() { d.writer <- c }()
	return c.SetAuthorizer(sqlite.AuthorizeFunc(func(sqlite.Action) sqlite.AuthResult {
		if judge() {
			return sqlite.AuthResultOK
		}
		return sqlite.AuthResultDeny
	}))
}
