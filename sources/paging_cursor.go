package sources

import (
	"encoding/json"
	"errors"
)

// byCursor hands the owner's token back to it until there is none.
type byCursor struct{ paging }

func (byCursor) first() step { return step{first: true} }

func (p byCursor) next(_ step, a *answer) (*step, error) {
	token, err := p.follow(a)
	if err != nil || token == nil {
		return nil, err
	}
	return &step{cursor: token}, nil
}

func (byCursor) note(s step) string { return string(s.cursor) }

func (byCursor) read(note string) (step, error) {
	if !json.Valid([]byte(note)) || len(note) > longestToken {
		return step{}, errors.New("not a token")
	}
	return step{cursor: []byte(note)}, nil
}
