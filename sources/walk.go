package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"time"

	"github.com/larder-sync/larder/syncer"
	"github.com/larder-sync/larder/syncer/row"
)

// errStopped says that whoever ranges over the walk has enough.
var errStopped = errors.New("walk is stopped")

// walk is one way through a source.
type walk struct {
	*Source
	w     syncer.Walk
	mark  mark
	guard *guard
	step  step
	yield func(*syncer.Batch, error) bool
	// held is what the last batch said of where the walk can go on; before
	// there was one, what the table holds, its note included.
	held    *syncer.Resume
	started time.Time // of this process's part of the walk
	pages   int       // of this process's part of the walk
	size    int       // of the last body, in bytes
	old     cached
	// passed says that a descending feed has come to what was asked for before.
	passed bool
	// counted says that the links of this walk hold no more than a number, so
	// that it cannot be resumed there.
	counted bool
	// until ends a look at the front of a feed: what is older was read.
	until row.Stamp
	each  map[int][]byte // slot to the partition's value
	heads [][]byte       // values of {first.FIELD}, once there is a record
	begun step           // where a pass begins
	asked string         // digest of a conditional request
	by    reach          // who answered last
	note  note           // that a resumed walk goes on from, but for its place
	bound *bound         // of {until}; nil: the request has none
	// epoch is the owner's history as the walk has heard of it.
	epoch    string
	unbroken unbroken
	cut      *sliced           // of a walk that is cut into windows; nil: it is not
	slice    *window           // of a slice of one
	last     bool              // the slice's last page is in hand
	repeated bool              // the pass is not the first
	ahead    *ahead            // nil: pages are fetched one after the other
	peek     func(body []byte) // nil: nobody looks
	// gone is the keys that an endpoint of what is gone has listed.
	gone map[string]struct{}
	// uncovered is how far back of the walk's start that list ends.
	uncovered time.Duration
}

// Walk asks the owner page by page. See syncer.Source.
func (s *Source) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return s.walk(ctx, w, nil)
}

// walk shows the bodies of pages to peek, unless that is nil.
func (s *Source) walk(ctx context.Context, w syncer.Walk, peek func(body []byte)) iter.Seq2[*syncer.Batch, error] {
	ctx = asSource(ctx, s.spec.Name)
	return func(yield func(*syncer.Batch, error) bool) {
		k, err := s.begin(w)
		if err == nil {
			k.peek = peek
			k.held, k.yield = w.From.Resume, k.hydrating(ctx, k.dating(k.aging(yield)))
			err = k.run(ctx)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, s.client.redact.wrap(err))
		}
	}
}

func (k *walk) run(ctx context.Context) error {
	if err := k.askEpoch(ctx); err != nil {
		return fmt.Errorf("fetch the epoch: %w", err)
	}
	if err := k.askBefore(ctx); err != nil {
		return fmt.Errorf("fetch the watermark ahead of the list: %w", err)
	}
	if err := k.askRemoved(ctx); err != nil {
		return fmt.Errorf("fetch what is gone: %w", err)
	}
	if k.cut != nil {
		return k.cut.walkAll(ctx)
	}
	return k.passes(ctx)
}

// passes walks the pages until a pass has seen all of them.
func (k *walk) passes(ctx context.Context) error {
	high, text := k.mark.high, k.mark.highText
	for again := 0; ; again++ {
		why, err := k.pass(ctx)
		if err != nil || why == "" {
			return err
		}
		if again == repeats {
			return pagingError("walk is unfinished after %d passes: %s", repeats+1, why)
		}
		k.guard.restart()
		k.mark.last, k.unbroken.reached = row.Stamp{}, k.unbroken.from
		k.heads, k.step, k.repeated = nil, k.begun, true
		if k.paging.spec.By == Since {
			k.mark.high, k.mark.highText = high, text // by which the pages ask
		}
	}
}

// pass walks the pages once, and says why the walk is unfinished when it is.
func (k *walk) pass(ctx context.Context) (why string, err error) {
	defer func() { k.ahead.stop(); k.ahead = nil }()
	for {
		p, err := k.fetch(ctx)
		if err != nil {
			return "", fmt.Errorf("fetch page %d: %w", k.pages+1, err)
		}
		if p.long != nil {
			return k.stream(ctx, p.long)
		}
		k.pages++
		if p.unchanged {
			return "", k.unchanged(p.header)
		}
		b, next, err := k.page(p)
		if err != nil {
			return "", fmt.Errorf("read page %d: %w", k.pages, err)
		}
		if next == nil {
			if why := k.unfinished(); why != "" {
				return why, k.hand(b)
			}
			header := p.header
			if k.drifts() {
				if err := k.hand(b); err != nil {
					return "", err
				}
				if b, header, err = k.front(ctx); err != nil {
					return "", fmt.Errorf("read page %d: %w", k.pages, err)
				}
			}
			if err = k.finish(b, header); err != nil {
				return "", err
			}
			return "", k.hand(b)
		}
		k.lookAhead(*next, p)
		b.Resume = k.resume(*next)
		if err := k.hand(b); err != nil {
			return "", err
		}
		k.step = *next
	}
}

func (k *walk) hand(b *syncer.Batch) error {
	held := b.Resume // the batch is another's once it is handed on
	if !k.yield(b, nil) {
		return errStopped
	}
	k.held = held
	return nil
}

// fetch asks for the page at the walk's step.
func (k *walk) fetch(ctx context.Context) (*page, error) {
	if err := k.bounds(ctx); err != nil {
		return nil, err
	}
	if ahead, ok := k.fetchAhead(ctx); ok {
		if ahead.response != nil {
			k.heard(ahead.response)
		}
		return ahead.page, k.expires(ahead.err)
	}
	r, err := k.ask(ctx, k.asker)
	if err == nil && r.status == http.StatusNotModified {
		return &page{answer: answer{header: r.header}, unchanged: true}, nil
	}
	if err == nil && r.stream != nil {
		return &page{long: r}, nil
	}
	var p *page
	if err == nil {
		p, err = k.read(r)
	}
	if err == nil && k.peek != nil {
		k.peek(r.body)
	}
	return p, k.resumable(k.expires(err))
}

// question is what is asked at a step, and whether it is conditional.
func (k *walk) question(a *asker, s step) (question, bool, error) {
	at := k.step
	k.step = s
	defer func() { k.step = at }()
	q, err := a.ask(s, k.look)
	if err != nil {
		return q, false, &failure{class: syncer.ClassInternal, text: "make request", cause: err}
	}
	q.expect = k.size
	return q, a == k.asker && k.addValidator(&q), nil
}

// ask sends the request of the walk's step and hears the owner's clock.
func (k *walk) ask(ctx context.Context, a *asker) (*response, error) {
	q, sentValidator, err := k.question(a, k.step)
	if err != nil {
		return nil, err
	}
	r, err := k.send(ctx, q, sentValidator)
	if err != nil {
		return nil, err
	}
	k.heard(r)
	return r, nil
}

// send sends a question. "Not modified" answers only one that is conditional.
func (k *walk) send(ctx context.Context, q question, conditional bool) (*response, error) {
	r, err := k.client.ask(ctx, q)
	if err == nil && r.status == http.StatusNotModified && (!conditional || r.by < trusted) {
		return nil, answerError("owner answers 304 to a request without a validator")
	}
	return r, err
}

// heard takes from a response what it tells of the owner's clock.
func (k *walk) heard(r *response) {
	if r.body != nil {
		k.size = len(r.body)
	}
	k.by = r.by
	since := r.took
	if k.pages > 0 || k.resumed() || k.slice != nil || k.openRemoved() {
		since = syncer.Age(k.w.Sent, time.Now())
	}
	k.mark.start.hear(r.header, since)
	k.bound.hear(r.header)
	k.old.hear(r.header)
}

// aging says of all that a walk yields how new it can be at best.
func (k *walk) aging(yield func(*syncer.Batch, error) bool) func(*syncer.Batch, error) bool {
	return func(b *syncer.Batch, err error) bool {
		if b != nil {
			b.Shows = k.old.shows
		}
		return yield(b, err)
	}
}

// bounds ends walks that go on for ever.
func (k *walk) bounds(ctx context.Context) error {
	if most := k.spec.Paging.MaxPages; ctx.Err() == nil && most > 0 && k.guard.pages >= most {
		return pagingError("walk has not ended after max_pages = %d", most)
	}
	return k.inTime(ctx)
}

// inTime ends those that take too long, be it for a single body.
func (k *walk) inTime(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if most := k.spec.Paging.MaxTime; time.Since(k.started) > most {
		return pagingError("walk has not ended after max_time = %s", most)
	}
	return nil
}

// resumable turns what refuses the first request of a resumed walk into
// ErrNotResumable: the place it stood at may be gone.
func (k *walk) resumable(err error) error {
	if err == nil || !k.resumed() || k.pages > 0 || k.slice != nil {
		return err
	}
	var status *StatusError
	var refused refusal
	switch {
	case errors.As(err, &refused) && passing(refused):
		return err
	case errors.As(err, &refused):
	case errors.As(err, &status) && status.Status >= 400 && status.Status < 500:
		switch status.Status {
		case 401, 403, 408, 425, 429:
			return err
		}
	default:
		return err
	}
	return fmt.Errorf("go on where it stood (%v): %w", err, syncer.ErrNotResumable)
}

// passing reports whether an owner refuses whoever asks, and not what is asked.
func passing(r refusal) bool {
	class := syncer.Classify(r.error)
	return class == syncer.ClassRateLimited || class == syncer.ClassAuth
}

// page turns an answer into a batch and finds the next step; nil at the end.
func (k *walk) page(p *page) (*syncer.Batch, *step, error) {
	if err := k.guard.page(k.step, p.records); err != nil {
		return nil, nil, err
	}
	if err := k.beside(&p.answer); err != nil {
		return nil, nil, err
	}
	k.guard.received += int64(len(p.records))
	p.received = k.guard.received
	from := k.mark.high
	b, err := k.batch(p.records, p.size)
	if err != nil {
		return nil, nil, err
	}
	if err := k.drop(b, p.gone); err != nil {
		return nil, nil, err
	}
	k.guard.gap = k.parted(p.records, from) || k.guard.gap
	k.noteHeads(p.records)
	p.since = k.mark.spec.json(k.mark.highText)
	p.news = k.guard.news || k.mark.moves() && !bytes.Equal(p.since, k.look(Part{Placeholder: "since"}))
	p.receding = row.Compare(k.mark.last, k.mark.high) < 0
	next, err := k.style.next(k.step, &p.answer)
	if k.passed {
		next = nil
	}
	if next != nil {
		k.counted = k.counted || counts(p.url, next.url, len(p.records))
	}
	if err == nil && k.resumesCounted(next) {
		err = fmt.Errorf("go on by a link that counts: %w", syncer.ErrNotResumable)
	}
	return b, next, err
}

// noteHeads keeps the values of {first.FIELD}.
func (k *walk) noteHeads(records [][][]byte) {
	if k.heads != nil || len(records) == 0 {
		return
	}
	for _, slot := range k.paging.frontSlots {
		k.heads = append(k.heads, records[0][slot])
	}
}

// batch turns records into a batch.
func (k *walk) batch(records [][][]byte, size int64) (*syncer.Batch, error) {
	b := &syncer.Batch{Size: size, Records: make([]syncer.Record, 0, len(records))}
	var newest row.Stamp
	for i, slots := range records {
		for slot, value := range k.each {
			slots[slot] = value
		}
		r := k.record(slots, k.width)
		stamp, err := k.mark.see(slots)
		if errors.Is(err, errSkip) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := k.leavesNone(slots, stamp); err != nil {
			return nil, err
		}
		if k.deleted >= 0 {
			if r.Gone, err = k.saysGone(slots[k.deleted]); err != nil {
				return nil, err
			}
		}
		if k.w.Kind == syncer.Changes {
			r.Late = k.mark.late(stamp)
		}
		if row.Compare(stamp, newest) > 0 {
			newest = stamp
		}
		k.guard.moved = k.guard.moved || k.slips(i, stamp)
		k.passed = k.passed || k.mark.passed(stamp) || !stamp.IsZero() && row.Compare(stamp, k.until) < 0
		b.Records = append(b.Records, r)
	}
	if err := k.mark.edge(records); err != nil {
		return nil, err
	}
	if k.mark.spec.First != "" {
		slices.Reverse(b.Records)
	}
	now := time.Now()
	var since time.Duration
	if k.pages > 1 || k.resumed() || k.slice != nil || k.openRemoved() {
		since = syncer.Age(k.w.Sent, now)
	}
	k.mark.start.saw(newest, since, now)
	return b, nil
}
