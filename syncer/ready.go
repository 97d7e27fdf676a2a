package syncer

import (
	"errors"
	"fmt"
)

// Ready says which consumer's database was not asked for its lease yet, or is
// let go because the Runner stops; nil if every one was asked for, whatever came
// of it. It is of use once the Runner runs.
func (r *Runner) Ready() error {
	for _, c := range r.Consumers {
		for _, t := range c.Copies {
			if err := t.Ready(); errors.Is(err, errNotTaken) {
				return fmt.Errorf("consumer %q: %w", c.Name, err)
			}
		}
	}
	return nil
}
