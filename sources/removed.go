package sources

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// removals reads a list of what is gone.
type removals struct {
	at      string
	key     string
	must    bool // the list must be there, or be null
	body    places
	decoder *decode.Decoder
	look    *decode.Decoder // of what stands in place of a list
}

func (s *Source) newRemovals(at, key string, must bool, body places) (*removals, error) {
	r := &removals{at: at, key: key, must: must, body: body}
	l := decode.Layout{As: decode.Value, Record: []decode.Path{{}}, Body: body}
	var err error
	if at != "" {
		if l.At, err = decode.ParsePath(at); err != nil {
			return nil, err
		}
	}
	if key != "" {
		l.As = decode.Array
		if l.Record[0], err = decode.ParsePath(key); err != nil {
			return nil, err
		}
	}
	if r.decoder, err = s.reader(l); err != nil {
		return nil, err
	}
	r.look, err = s.reader(decode.Layout{Body: []decode.Path{l.At}})
	return r, err
}

// compileRemovals compiles both lists of what is gone.
func (s *Source) compileRemovals() (err error) {
	r := &s.spec.Records
	if r.DeletedList.At != "" {
		if err := s.oneKey("a list of what is gone"); err != nil {
			return err
		}
		if s.removals, err = s.newRemovals(r.DeletedList.At, r.DeletedList.Key, false, nil); err != nil {
			return err
		}
	}
	return s.compileRemoved()
}

// read is the keys of what is gone.
func (r *removals) read(body []byte) ([][]byte, error) {
	if r == nil {
		return nil, nil
	}
	keys, _, err := r.list(body)
	return keys, err
}

// list is the keys, and what stands at the places.
func (r *removals) list(body []byte) ([][]byte, [][]byte, error) {
	page, err := r.decoder.Page(bytes.NewReader(body))
	switch {
	case errors.Is(err, decode.ErrNoArray) && !r.must:
		return nil, page.Body, nil
	case errors.Is(err, decode.ErrNotArray):
		found, _ := r.look.Page(bytes.NewReader(body))
		if len(found.Body) > 0 && string(found.Body[0]) == "null" {
			return nil, page.Body, nil
		}
	}
	if err != nil {
		return nil, page.Body, fmt.Errorf("read the list of what is gone: %w", unreadable(err))
	}
	keys := make([][]byte, 0, len(page.Records))
	for _, record := range page.Records {
		key := record[0]
		if text, ok, err := decode.Text(key); err != nil || !ok || text == "" {
			return nil, page.Body, decodeError("a deletion in %q has no key at %q", r.at, r.key)
		}
		keys = append(keys, key)
	}
	return keys, page.Body, nil
}

const (
	// mostTombs is how many deletions make a batch. One key of a list makes a
	// whole record, which is many times as large.
	mostTombs = 10_000
	// tombBytes is about what a record holds besides its slots, and slotBytes
	// what a slot does besides its text.
	tombBytes, slotBytes = 56, 24
)

// drop puts what is gone ahead of a batch's records, so that an answer which
// also has the record is believed. Of a long list, the batch has the end.
func (k *walk) drop(b *syncer.Batch, keys [][]byte) error {
	if more := len(keys) - mostTombs; more > 0 {
		if err := k.handGone(keys[:more]); err != nil {
			return err
		}
		keys = keys[more:]
	}
	if len(keys) == 0 {
		return nil
	}
	tombs, size := k.tombs(keys)
	b.Records, b.Size = append(tombs, b.Records...), b.Size+size
	return nil
}

// handGone hands deletions on. The walk stands where it stood before them.
func (k *walk) handGone(keys [][]byte) error {
	for part := range slices.Chunk(keys, mostTombs) {
		tombs, size := k.tombs(part)
		if err := k.hand(&syncer.Batch{Records: tombs, Size: size, Resume: k.held}); err != nil {
			return err
		}
	}
	return nil
}

// tombs are the records of deletions, and how many bytes they hold, about.
func (k *walk) tombs(keys [][]byte) ([]syncer.Record, int64) {
	records := make([]syncer.Record, 0, len(keys))
	size := len(keys) * (tombBytes + k.width*slotBytes)
	for _, key := range keys {
		records = append(records, syncer.Record{Slots: k.fill(k.named(key)), Gone: true})
		size += len(key)
	}
	return records, int64(size)
}

// fill puts the partition's values into a record.
func (k *walk) fill(slots [][]byte) [][]byte {
	for slot, value := range k.each {
		slots[slot] = value
	}
	return slots
}

// removed is an endpoint of what is gone.
type removed struct {
	*removals
	asker    *asker
	errorAt  place
	from     place
	earliest place
}

func (s *Source) compileRemoved() error {
	ask := s.spec.Records.DeletedAsk
	if ask == nil {
		return nil
	}
	switch timed := s.spec.Watermark.Format != nil && s.spec.Watermark.Opaque == ""; {
	case s.spec.Mode == SnapshotAll:
		return errors.New("a snapshot has every record: nothing asks it for what is gone")
	case s.spec.Request.Conditional:
		return errors.New("conditional does not go with an endpoint of what is gone: \"not modified\" says nothing of that")
	case (ask.From != "" || ask.Earliest != "") && !timed:
		return errors.New("what is gone can be told up to a time or a number only where the watermark is one")
	}
	if err := s.oneKey("an endpoint of what is gone"); err != nil {
		return err
	}
	var own places
	var errs [4]error
	r := &removed{}
	r.errorAt, errs[0] = own.add(s.spec.Records.Error)
	r.from, errs[1] = own.add(ask.From)
	r.earliest, errs[2] = own.add(ask.Earliest)
	r.asker, errs[3] = newAsker(s.client, ask.Request)
	if err := errors.Join(errs[:]...); err != nil {
		return fmt.Errorf("read the endpoint of what is gone: %w", err)
	}
	r.asker.examine = s.expired.examine()
	var err error
	r.removals, err = s.newRemovals(ask.At, ask.Key, true, own)
	s.removed = r
	return err
}

// asksRemoved reports whether the walk asks for what is gone.
func (k *walk) asksRemoved() bool { return k.removed != nil && k.w.Kind == syncer.Changes }

// openRemoved reports whether the walk asks for what is gone of an owner that
// does not tell how far its answer reaches. Then that is the walk's first read,
// which the watermark must not pass.
func (k *walk) openRemoved() bool { return k.asksRemoved() && !k.removed.from.set() }

// askRemoved asks for what is gone ahead of what has changed. In a walk that
// lists everything, what is not there is gone.
func (k *walk) askRemoved(ctx context.Context) error {
	if !k.asksRemoved() {
		return nil
	}
	r := k.removed
	at := k.step
	k.step = step{first: true}
	answer, err := k.ask(ctx, r.asker)
	k.step = at
	if err != nil {
		return k.resumable(k.expires(err))
	}
	if err := refuseText(answer.header, answer.body); err != nil {
		return err
	}
	keys, body, err := r.list(answer.body)
	if wrong := k.client.redact.wrong(r.errorAt, answer.header, body); wrong != nil {
		return wrong
	}
	if err == nil {
		err = k.reach(r, answer, body)
	}
	if err != nil || len(keys) == 0 {
		return err
	}
	k.gone = map[string]struct{}{}
	for _, key := range keys[:min(len(keys), knownKeys)] {
		if text, ok, err := decode.Text(key); ok && err == nil {
			k.gone[text] = struct{}{}
		}
	}
	return k.handGone(keys)
}

// reach takes note of how far a list of what is gone reaches, both ways.
func (k *walk) reach(r *removed, a *response, body [][]byte) error {
	// What lies in the overlap alone was there, or gone, when the watermark was
	// set: a list that begins between the two is good enough, or the first one
	// after a resync would never be.
	if since := cmp.Or(k.mark.from, k.mark.since); r.earliest.set() && !since.IsZero() {
		earliest, _, err := k.stampAt(r.earliest, a, body)
		if err != nil {
			return err
		}
		if row.Compare(earliest, since) > 0 {
			return fmt.Errorf("%w: the owner tells deletions only since a later time", syncer.ErrExpired)
		}
	}
	if !r.from.set() {
		return nil
	}
	var err error
	k.mark.covers, k.mark.coversText, err = k.stampAt(r.from, a, body)
	if covers, ok := k.mark.covers.Time(); ok && err == nil {
		k.uncovered = max(k.ownerTime(a.header).Sub(covers), 0)
	}
	return err
}

// ownerTime is the owner's clock when it answered, or a little later. Where the
// answer does not tell, it is what others told, or this machine's: a copy whose
// deletions end long ago must not pass for fresh.
func (k *walk) ownerTime(h http.Header) time.Time {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		return date.Add(age(h) + dateUnit)
	}
	return k.client.clock.now()
}

// stampAt reads a stamp in the watermark's format.
func (k *walk) stampAt(p place, a *response, body [][]byte) (row.Stamp, string, error) {
	raw := p.in(a.header, body)
	text, ok, err := decode.Text(raw)
	if err != nil || !ok {
		return row.Stamp{}, "", answerError("answer about what is gone has no time at %q", p)
	}
	stamp, err := k.mark.spec.Format.Parse(raw)
	if err != nil {
		return row.Stamp{}, "", decodeError("time at %q: %v", p, err)
	}
	return stamp, text, nil
}
