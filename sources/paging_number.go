package sources

// byPage counts pages.
type byPage struct{ paging }

func (p byPage) first() step { return step{first: true, number: int64(p.spec.First)} }

func (p byPage) next(s step, a *answer) (*step, error) {
	page := s.number - int64(p.spec.First) + 1
	if done, err := p.done(a, page, a.received); done || err != nil {
		return nil, err
	}
	return &step{number: s.number + 1}, nil
}

func (byPage) note(step) string          { return "" }
func (byPage) read(string) (step, error) { return step{}, errMoves }

// byOffset counts records: it moves by what was received, never by what was
// asked, because owners cap the size of pages without a word.
type byOffset struct{ paging }

func (byOffset) first() step { return step{first: true} }

func (p byOffset) next(s step, a *answer) (*step, error) {
	offset := s.number + int64(len(a.records))
	if done, err := p.done(a, 0, offset); done || err != nil {
		return nil, err
	}
	if len(a.records) == 0 {
		return nil, pagingError("an empty page says that more follows, and an offset cannot move on from it")
	}
	return &step{number: offset}, nil
}

func (byOffset) note(step) string          { return "" }
func (byOffset) read(string) (step, error) { return step{}, errMoves }

// done decides by more, then by the counts, then by an empty page. Where the
// owner tells how many pages there are, an empty one among them is not the
// end: its records may have been hidden from us.
func (p paging) done(a *answer, page, received int64) (bool, error) {
	switch v, err := p.judge(a); {
	case err != nil || v == ends:
		return true, err
	case v == goesOn:
		return false, nil
	}
	reached, pagesFollow, err := p.reached(a, page, received)
	if err != nil || reached {
		return true, err
	}
	return len(a.records) == 0 && !pagesFollow, nil
}
