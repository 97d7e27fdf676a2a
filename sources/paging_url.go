package sources

import (
	"net/url"

	"github.com/larder-sync/larder/sources/decode"
)

// byNextURL asks the URL that the body or a header holds, as it is given.
type byNextURL struct{ paging }

func (byNextURL) first() step { return step{first: true} }

func (p byNextURL) next(_ step, a *answer) (*step, error) {
	token, err := p.follow(a)
	if err != nil || token == nil {
		return nil, err
	}
	link, _, err := decode.Text(token)
	if err != nil {
		return nil, pagingError("%q holds no link: %v", p.paging.next, err)
	}
	u, err := p.link(a.url, link)
	if err != nil {
		return nil, err
	}
	return &step{url: u}, nil
}

func (byNextURL) note(s step) string               { return urlNote(s) }
func (p byNextURL) read(note string) (step, error) { return p.readURL(note) }

// byLink asks the URL of rel="next" in the Link header.
type byLink struct{ paging }

func (byLink) first() step { return step{first: true} }

func (p byLink) next(_ step, a *answer) (*step, error) {
	v, err := p.judge(a)
	if err != nil || v == ends {
		return nil, err
	}
	link, ok := nextLink(a.header.Values("Link"))
	switch {
	case !ok && v == goesOn:
		return nil, pagingError("%q says that more follows, and no Link header does", p.more.at)
	case !ok:
		return nil, nil
	}
	u, err := p.link(a.url, link)
	if err != nil {
		return nil, err
	}
	return &step{url: u}, nil
}

func (byLink) note(s step) string               { return urlNote(s) }
func (p byLink) read(note string) (step, error) { return p.readURL(note) }

func urlNote(s step) string {
	if s.url == nil {
		return ""
	}
	return s.url.String()
}

func (p paging) readURL(note string) (step, error) {
	u, err := p.link(&url.URL{}, note)
	if err != nil {
		return step{}, err
	}
	return step{url: u}, nil
}
