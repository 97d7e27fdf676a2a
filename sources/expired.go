package sources

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// errSaysExpired is a sound answer that tells that the watermark is too old.
var errSaysExpired = errors.New("answer says that the watermark is too old")

// expired is a compiled Expired.
type expired struct {
	status []int
	equals [][]byte
	// at is the place in a success, refused the same in any other answer, whose
	// body is no list and is read by a decoder of its own.
	at, refused place
	decoder     *decode.Decoder
}

func newExpired(e Expired, body *places, o *Owner) (expired, error) {
	x := expired{status: e.Status, equals: rawValues(e.Equals)}
	if e.At == "" {
		return x, nil
	}
	var own places
	var err error
	if x.refused, err = own.add(e.At); err != nil {
		return x, err
	}
	if slices.ContainsFunc(e.Status, isSuccess) {
		if x.at, err = body.add(e.At); err != nil {
			return x, err
		}
	}
	x.decoder, err = decode.Layout{Body: own, MaxDepth: o.MaxDepth, MaxBytes: mostRefusal}.Compile()
	return x, err
}

// examine lists the statuses whose bodies have to be read.
func (x *expired) examine() []int {
	if x.refused.slot == 0 {
		return nil
	}
	return x.status
}

// inAnswer judges a success.
func (x *expired) inAnswer(status int, h http.Header, body [][]byte) bool {
	return x.at.set() && slices.Contains(x.status, status) && holds(x.at.in(h, body), x.equals)
}

// inRefusal judges every other answer.
func (x *expired) inRefusal(e *StatusError) bool {
	switch {
	case !slices.Contains(x.status, e.Status):
		return false
	case !x.refused.set():
		return true
	}
	// The body is no list of records, which the decoder objects to.
	page, err := x.decoder.Page(bytes.NewReader(e.body))
	if err != nil && !decode.Sound(err) {
		page.Body = nil
	}
	return holds(x.refused.in(e.header, page.Body), x.equals)
}

// expires turns an answer that says so into ErrExpired. A snapshot's first
// request asks since nothing: its refusal is one.
func (k *walk) expires(err error) error {
	var status *StatusError
	said := errors.Is(err, errSaysExpired) || errors.As(err, &status) && k.expired.inRefusal(status)
	if !said || k.spec.Mode == SnapshotAll && k.pages == 0 {
		return err
	}
	return fmt.Errorf("%w: %w", syncer.ErrExpired, err)
}
