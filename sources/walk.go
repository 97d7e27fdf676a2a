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
	w       syncer.Walk
	mark    mark
	guard   *guard
	step    step
	yield   func(*syncer.Batch, error) bool
	started time.Time // of this process's part of the walk
	pages   int       // of this process's part of the walk
	size    int       // of the last body, in bytes
	age     time.Duration
	// passed says that a descending feed has come to what was asked for before.
	passed bool
	// until ends a look at the front of a feed: what is older was read.
	until row.Stamp
	each  map[int][]byte // slot to the partition's value
	heads [][]byte       // values of {first.FIELD}, once there is a record
	begun step           // where a pass begins
	asked string         // digest of a conditional request
}

// Walk asks the owner page by page. See syncer.Source.
func (s *Source) Walk(ctx context.Context, w syncer.Walk) iter.Seq2[*syncer.Batch, error] {
	return func(yield func(*syncer.Batch, error) bool) {
		k, err := s.begin(w)
		if err == nil {
			k.yield = yield
			err = k.run(ctx)
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, s.client.redact.wrap(err))
		}
	}
}

func (s *Source) begin(w syncer.Walk) (*walk, error) {
	s = s.forKind(w.Kind)
	k := &walk{Source: s, w: w, started: time.Now(), each: map[int][]byte{}}
	var err error
	if k.begun, err = s.first(w); err != nil {
		return nil, err
	}
	k.step = k.begun
	if k.w.Sent.IsZero() {
		k.w.Sent = k.started
	}
	k.guard = newGuard(s.identity(), s.paging.total.set(), s.spec.Watermark.Order == Descending)
	for slot, name := range s.constants {
		k.each[slot] = w.Partition.Value(name)
	}
	if r := w.From.Resume; r != nil && r.Cursor != "" {
		at, err := s.style.read(r.Cursor)
		if err != nil {
			return nil, fmt.Errorf("read cursor: %w", syncer.ErrNotResumable)
		}
		k.step = at
	}
	if k.mark, err = newMark(&s.watermark, w); err != nil && k.resumed() {
		err = fmt.Errorf("read where the walk stood: %w", syncer.ErrNotResumable)
	}
	return k, err
}

func (k *walk) resumed() bool { return k.w.From.Resume != nil }

func (k *walk) run(ctx context.Context) error {
	if err := k.askBefore(ctx); err != nil {
		return fmt.Errorf("fetch the watermark ahead of the list: %w", err)
	}
	if k.streamed {
		return k.stream(ctx)
	}
	for again := 0; ; again++ {
		why, err := k.pass(ctx)
		if err != nil || why == "" {
			return err
		}
		if again == repeats {
			return pagingError("walk is unfinished after %d passes: %s", repeats+1, why)
		}
		k.guard.restart()
		k.mark.last = row.Stamp{}
		k.heads, k.step = nil, k.begun
	}
}

// pass walks the pages once, and says why the walk is unfinished when it is.
func (k *walk) pass(ctx context.Context) (why string, err error) {
	for {
		p, err := k.fetch(ctx)
		if err != nil {
			return "", fmt.Errorf("fetch page %d: %w", k.pages+1, err)
		}
		k.pages++
		if p == nil {
			return "", k.hand(k.unchanged())
		}
		b, next, err := k.page(p)
		if err != nil {
			return "", fmt.Errorf("read page %d: %w", k.pages, err)
		}
		if next == nil {
			if why := k.guard.unfinished(k.resumed()); why != "" && !k.passed {
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
			if b.End, err = k.end(header); err != nil {
				return "", err
			}
			return "", k.hand(b)
		}
		b.Resume = k.resume(*next)
		if err := k.hand(b); err != nil {
			return "", err
		}
		k.step = *next
	}
}

func (k *walk) hand(b *syncer.Batch) error {
	if !k.yield(b, nil) {
		return errStopped
	}
	return nil
}

// fetch asks for the page at the walk's step; nil means "not modified".
func (k *walk) fetch(ctx context.Context) (*page, error) {
	if err := k.bounds(ctx); err != nil {
		return nil, err
	}
	r, err := k.ask(ctx, k.asker)
	if err == nil && r.status == http.StatusNotModified {
		return nil, nil
	}
	var p *page
	if err == nil {
		p, err = k.read(r)
	}
	return p, k.resumable(k.expires(err))
}

// ask sends the request of the walk's step and hears the owner's clock.
func (k *walk) ask(ctx context.Context, a *asker) (*response, error) {
	q, err := a.ask(k.step, k.look)
	if err != nil {
		return nil, &failure{class: syncer.ClassInternal, text: "make request", cause: err}
	}
	q.expect = k.size
	sentValidator := k.addValidator(&q)
	r, err := k.client.ask(ctx, q)
	if err != nil {
		return nil, err
	}
	if r.status == http.StatusNotModified && !sentValidator {
		return nil, answerError("owner answers 304 to a request without a validator")
	}
	k.size = len(r.body)
	since := r.took
	if k.pages > 0 || k.resumed() {
		since = syncer.Age(k.w.Sent, time.Now())
	}
	k.mark.start.hear(r.header, since)
	k.age = max(k.age, age(r.header))
	return r, nil
}

// bounds ends walks that go on for ever.
func (k *walk) bounds(ctx context.Context) error {
	p := &k.spec.Paging
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case p.MaxPages > 0 && k.guard.pages >= p.MaxPages:
		return pagingError("walk has not ended after max_pages = %d", p.MaxPages)
	case time.Since(k.started) > p.MaxTime:
		return pagingError("walk has not ended after max_time = %s", p.MaxTime)
	}
	return nil
}

// resumable turns what refuses the first request of a resumed walk into
// ErrNotResumable: the place it stood at may be gone.
func (k *walk) resumable(err error) error {
	if err == nil || !k.resumed() || k.pages > 0 {
		return err
	}
	var status *StatusError
	var refused refusal
	switch {
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

// page turns an answer into a batch and finds the next step; nil at the end.
func (k *walk) page(p *page) (*syncer.Batch, *step, error) {
	if err := k.guard.page(k.step, p.records); err != nil {
		return nil, nil, err
	}
	if total := k.paging.total; total.set() {
		n, err := total.count(total.in(p.header, p.body))
		if err != nil {
			return nil, nil, err
		}
		k.guard.count(n)
	}
	k.guard.received += int64(len(p.records))
	p.received = k.guard.received
	if k.before == nil {
		if err := k.mark.place(&p.answer); err != nil {
			return nil, nil, err
		}
	}
	b, err := k.batch(p.records, p.size)
	if err != nil {
		return nil, nil, err
	}
	k.guard.gap = k.guard.gap || k.parted(p.records)
	k.noteHeads(p.records)
	p.since = k.mark.spec.json(k.mark.highText)
	p.news = k.guard.news || k.mark.moves() && !bytes.Equal(p.since, k.look(Part{Placeholder: "since"}))
	p.receding = row.Compare(k.mark.last, k.mark.high) < 0
	next, err := k.style.next(k.step, &p.answer)
	if k.passed {
		next = nil
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
		r := syncer.Record{Slots: slots}
		stamp, err := k.mark.see(slots)
		if errors.Is(err, errSkip) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if k.deleted >= 0 {
			r.Gone = holds(slots[k.deleted], k.goneIf)
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
	if k.pages > 1 || k.resumed() {
		since = syncer.Age(k.w.Sent, now)
	}
	k.mark.start.saw(newest, since, now)
	return b, nil
}

// resume notes where the walk can go on after a batch: at next, or, where
// records come in order, by asking since the highest watermark. What was read
// so far was as old as the oldest answer when the walk began.
func (k *walk) resume(next step) *syncer.Resume {
	cursor := k.style.note(next)
	if len(k.paging.fronts) > 0 {
		return nil // its first record is not noted
	}
	if cursor == "" && (k.mark.spec.Order != Ascending || k.mark.high.IsZero()) {
		return nil
	}
	return &syncer.Resume{
		Walk: k.w.ID, Kind: k.w.Kind, From: k.w.From.Watermark, Sent: k.w.Sent.Add(-k.age),
		OwnerStart: k.mark.start.String(), Cursor: cursor, High: k.mark.highText,
	}
}

// end is what the walk proves once it is complete.
func (k *walk) end(header http.Header) (*syncer.End, error) {
	watermark, err := k.mark.end()
	if err != nil {
		return nil, err
	}
	return &syncer.End{
		Watermark: watermark,
		Validator: k.validator(header),
		Listed:    k.listed(),
		Age:       k.age,
	}, nil
}

// listed reports whether a complete walk has seen every record that there is.
func (k *walk) listed() bool {
	switch k.w.Kind {
	case syncer.Snapshot:
		return true
	case syncer.Resync:
		return k.lists
	}
	return false
}

// unchanged is the whole of a walk that was answered "not modified".
func (k *walk) unchanged() *syncer.Batch {
	return &syncer.Batch{End: &syncer.End{
		Watermark: k.w.From.Watermark,
		Validator: k.w.From.Validator,
		Unchanged: true,
		Age:       k.age,
	}}
}
