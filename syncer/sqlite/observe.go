package sqlite

import "time"

// observed tells of a transaction and returns its error.
func (d *Database) observed(began time.Time, err error) error {
	if d.observe != nil {
		d.observe(time.Since(began), err)
	}
	return err
}
