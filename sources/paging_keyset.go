package sources

import (
	"encoding/json"
	"errors"
)

// byKeyset asks for what comes behind the last record.
type byKeyset struct{ paging }

func (byKeyset) first() step { return step{first: true} }

func (p byKeyset) next(_ step, a *answer) (*step, error) {
	v, err := p.judge(a)
	if err != nil || v == ends {
		return nil, err
	}
	if len(a.records) == 0 {
		if v == goesOn {
			return nil, pagingError("an empty page says that more follows, and has no last record to go on from")
		}
		return nil, nil
	}
	record := a.records[len(a.records)-1]
	last := make([][]byte, len(p.slots))
	for i, slot := range p.slots {
		raw := record[slot]
		if raw == nil || string(raw) == "null" {
			return nil, pagingError("the last record has no %q to go on from", p.fields[i])
		}
		if len(raw) > longestToken {
			return nil, pagingError("%q of the last record is longer than %d bytes", p.fields[i], longestToken)
		}
		last[i] = raw
	}
	return &step{last: last}, nil
}

// note is the JSON list of the values, each as the owner wrote it.
func (byKeyset) note(s step) string {
	if len(s.last) == 0 {
		return ""
	}
	raw := make([]json.RawMessage, len(s.last))
	for i, v := range s.last {
		raw[i] = v
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return ""
	}
	return string(text)
}

func (p byKeyset) read(note string) (step, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal([]byte(note), &raw); err != nil || len(raw) != len(p.fields) {
		return step{}, errors.New("not a keyset")
	}
	last := make([][]byte, len(raw))
	for i, v := range raw {
		last[i] = v
	}
	return step{last: last}, nil
}
