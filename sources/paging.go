package sources

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/larder-sync/larder/sources/decode"
)

// longestToken bounds what an owner may hand us as a cursor.
const longestToken = 16 << 10

// step is where a walk asks: what differs between one page and the next. The
// zero step with first set asks from the beginning.
type step struct {
	first bool
	// url is asked as it is given, instead of the source's own request.
	url *url.URL
	// cursor is the owner's token as JSON text.
	cursor []byte
	// number is the page number or the offset.
	number int64
	// last holds the last record's values as JSON text, in the order of the
	// paging's fields.
	last [][]byte
}

// style is one way that pages follow each other. It keeps nothing between
// calls: all that a walk remembers is in its step, so that one style serves
// many walks.
type style interface {
	// first is where a walk begins.
	first() step
	// next tells from the answer to s where the walk goes on; nil at the end.
	next(s step, a *answer) (*step, error)
	// note writes down where s asks, for a walk that goes on later; "" where
	// that makes no sense because pages move.
	note(s step) string
	// read is the reverse of note. Its error means that the walk cannot go on.
	read(note string) (step, error)
}

// answer is what a style may judge by: one page.
type answer struct {
	header  http.Header
	url     *url.URL
	records [][][]byte
	body    [][]byte
	// received is how many records the walk has received, this page included.
	received int64
	// since is the watermark so far, as JSON text; nil for none. news says that
	// the page brought a new key, or moved a watermark that the owner hands out.
	since []byte
	news  bool
	// receding says that the page ends with an older stamp than came before.
	receding bool
}

// paging is what the styles share: the compiled places.
type paging struct {
	spec         Paging
	next         place
	more         test
	total, pages place
	// link resolves an owner's link against the URL it came from.
	link   func(from *url.URL, link string) (*url.URL, error)
	fields []string // of {last.FIELD}
	slots  []int    // where a record has them
	// The same of {first.FIELD}.
	fronts     []string
	frontSlots []int
}

func newStyle(p paging) (style, error) {
	need := func(ok bool, what string) error {
		if ok {
			return nil
		}
		return fmt.Errorf("paging by %q needs %s", p.spec.By, what)
	}
	switch p.spec.By {
	case None, "":
		return once{p}, nil
	case Cursor:
		return byCursor{p}, need(p.next.set(), "next")
	case NextURL:
		return byNextURL{p}, need(p.next.set(), "next")
	case Link:
		return byLink{p}, nil
	case Page:
		return byPage{p}, nil
	case Offset:
		return byOffset{p}, nil
	case Keyset:
		return byKeyset{p}, need(len(p.fields) > 0, "a placeholder {last.FIELD}")
	case Since:
		return bySince{byCursor{p}}, nil
	}
	return nil, fmt.Errorf("unknown paging %q", p.spec.By)
}

// verdict is what the places say about the end.
type verdict int

const (
	silent verdict = iota
	goesOn
	ends
)

// judge asks more, which decides where it is set, and then short pages.
func (p paging) judge(a *answer) (verdict, error) {
	if p.more.at.set() {
		raw := p.more.at.in(a.header, a.body)
		more := holds(raw, p.more.equals)
		if len(p.more.equals) == 0 {
			var err error
			if more, err = p.more.at.flag(raw); err != nil {
				return silent, err
			}
		}
		if more {
			return goesOn, nil
		}
		return ends, nil
	}
	if p.spec.ShortPage && p.spec.Size > 0 && len(a.records) < p.spec.Size {
		return ends, nil
	}
	return silent, nil
}

// token is what next holds; nil where there is none.
func (p paging) token(a *answer) ([]byte, error) {
	raw := p.next.in(a.header, a.body)
	if len(raw) > longestToken {
		return nil, pagingError("%q is longer than %d bytes", p.next, longestToken)
	}
	text, ok, err := decode.Text(raw)
	if err != nil {
		return nil, pagingError("%q holds no token: %v", p.next, err)
	}
	if !ok || text == "" {
		return nil, nil
	}
	return raw, nil
}

// follow is the common part of the styles that are handed their next step: it
// reads the token and lets more decide.
func (p paging) follow(a *answer) (token []byte, err error) {
	v, err := p.judge(a)
	if err != nil || v == ends {
		return nil, err
	}
	token, err = p.token(a)
	if err == nil && token == nil && v == goesOn {
		return nil, pagingError("%q says that more follows, and %q is not there", p.more.at, p.next)
	}
	return token, err
}

// reached reports whether the counts say that everything was received: pages
// by the number of this page, counted from 1, and total by what was received.
// known is false where neither count is configured.
func (p paging) reached(a *answer, page, received int64) (reached, known bool, err error) {
	if p.pages.set() {
		n, err := p.pages.count(p.pages.in(a.header, a.body))
		if err != nil || page >= n {
			return true, true, err
		}
		known = true
	}
	if p.total.set() {
		n, err := p.total.count(p.total.in(a.header, a.body))
		if err != nil || received >= n {
			return true, true, err
		}
	}
	return false, known, nil
}
