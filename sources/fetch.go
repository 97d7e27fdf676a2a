package sources

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/larder-sync/larder/syncer"
)

// loneWave is how many records that are fetched one by one make a batch.
const loneWave = 64

// want is a record that the feed says has changed.
type want struct {
	record *syncer.Record
	text   string // of the key; "" where it is not fetched
	why    string // it is not
	gone   bool   // another mention of it says that it is gone
}

// job is one request for records.
type job struct {
	wants []want // in the feed's order
	asked []want // those that the request is for
	// answer holds the fetched records by the key's text.
	answer  map[string][][]byte
	gone    bool // a single record is not there any more
	strange bool // something came that was not asked for
	size    int64
	old     cached
	err     error
}

// hydrating wraps what takes a walk's batches: it fetches the records of each
// before it is handed on, in several parts where they are many. The last part
// alone says where the walk can go on; the others repeat what the batch before
// said, so that their records are fetched again. Which of them were fetched is
// not noted: a page that is read again may name the same key for a newer change,
// and what the walk proves then holds only if it is fetched once more.
func (k *walk) hydrating(ctx context.Context, yield func(*syncer.Batch, error) bool) func(*syncer.Batch, error) bool {
	if k.hydrate == nil {
		return yield
	}
	return func(b *syncer.Batch, err error) bool {
		if err != nil {
			return yield(b, err)
		}
		jobs, done := k.plan(b.Records), 0
		for len(jobs) > 0 {
			wave := jobs[:min(k.wave(), len(jobs))]
			jobs = jobs[len(wave):]
			part := &syncer.Batch{Resume: k.held}
			if err := k.fetchAll(ctx, wave, part); err != nil {
				yield(nil, k.client.redact.wrap(fmt.Errorf("fetch the records of page %d, behind the first %d of %d: %w", k.pages, done, len(b.Records), err)))
				return false
			}
			done += len(part.Records)
			if len(jobs) == 0 {
				part.Resume, part.End = b.Resume, b.End
				if part.End != nil {
					part.End.Age = max(part.End.Age, k.old.age)
				}
				b = part
				break
			}
			if !yield(part, nil) {
				return false
			}
		}
		return yield(b, nil)
	}
}

// wave is how many requests fill a batch.
func (k *walk) wave() int {
	if k.hydrate.lone {
		return loneWave
	}
	return k.client.owner.Concurrency
}

// mention is where a page names a key: last, or last as one that is not gone.
type mention struct {
	at         int
	live, gone bool
}

// mentions finds the mention of each key that counts. The order of a page does
// not tell which is the newest, but the owner does, when it is asked for the
// record: a deletion counts where nothing else is said of the key. Of one that
// cannot be asked for, the last mention is all there is.
func (h *hydrate) mentions(records []syncer.Record) map[string]mention {
	all := make(map[string]mention, len(records))
	for i := range records {
		text, ok := h.identity(records[i].Slots)
		if !ok {
			continue
		}
		m, gone := all[text], records[i].Gone
		if !gone || !m.live {
			m.at = i
		}
		_, why := h.refused(records[i].Slots)
		m.live, m.gone = m.live || !gone && why == "", m.gone || gone
		all[text] = m
	}
	return all
}

// plan says how the records of a batch are fetched: each key once, in place of
// the mention that counts, with what is gone and what cannot be asked for in
// between.
func (k *walk) plan(records []syncer.Record) []*job {
	mentions := k.hydrate.mentions(records)
	var jobs []*job
	for i := range records {
		w := want{record: &records[i]}
		if text, ok := k.hydrate.identity(w.record.Slots); ok {
			m := mentions[text]
			if m.at != i {
				continue
			}
			w.gone = m.gone
		}
		if !w.record.Gone {
			w.text, w.why = k.hydrate.refused(w.record.Slots)
		}
		if n := len(jobs); n == 0 || len(jobs[n-1].asked) >= k.hydrate.batch || len(jobs[n-1].wants) >= mostBatch {
			jobs = append(jobs, &job{})
		}
		j := jobs[len(jobs)-1]
		if j.wants = append(j.wants, w); w.text != "" {
			j.asked = append(j.asked, w)
		}
	}
	return jobs
}

// fetchAll runs jobs side by side, as many as the owner takes, and puts what
// they bring into b, in the feed's order.
func (k *walk) fetchAll(ctx context.Context, jobs []*job, b *syncer.Batch) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(k.client.owner.Concurrency, len(jobs)) {
		workers.Go(func() {
			for i := next.Add(1); int(i) <= len(jobs) && ctx.Err() == nil; i = next.Add(1) {
				if j := jobs[i-1]; len(j.asked) > 0 {
					if j.err = k.fetchJob(ctx, j); j.err != nil {
						cancel() // the others are of no use
					}
				}
			}
		})
	}
	workers.Wait()
	if err := firstError(jobs); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, j := range jobs {
		k.collect(j, b)
	}
	return nil
}

// firstError is what went wrong by itself, rather than because something else
// had.
func firstError(jobs []*job) error {
	var canceled error
	for _, j := range jobs {
		switch {
		case j.err == nil:
		case errors.Is(j.err, context.Canceled):
			canceled = j.err
		default:
			return j.err
		}
	}
	return canceled
}

// fetchJob asks for the records of one job.
func (k *walk) fetchJob(ctx context.Context, j *job) error {
	h := k.hydrate
	q, err := h.asker.ask(step{first: true}, h.look(j, k.w.Partition.Value))
	if err != nil && h.lone {
		// What stands in one record cannot stop all others.
		j.wants[len(j.wants)-1].why = "cannot be fetched: no request can be made of what it holds"
		return nil
	}
	if err != nil {
		return &failure{class: syncer.ClassInternal, text: "make request", cause: err}
	}
	r, err := k.client.ask(ctx, q)
	if status, ok := errors.AsType[*StatusError](err); ok && h.lone {
		if status.Status == http.StatusNotFound || status.Status == http.StatusGone {
			j.gone = true
			return nil
		}
	}
	if err != nil {
		return err
	}
	if r.status == http.StatusNotModified {
		return answerError("owner answers 304 to a request without a validator")
	}
	if err := refuseText(r.header, r.body); err != nil {
		return err
	}
	page, err := h.decoder.Page(bytes.NewReader(r.body))
	if wrong := k.client.redact.wrong(h.errorAt, r.header, page.Body); wrong != nil {
		return wrong
	}
	if err != nil {
		return unreadable(err)
	}
	j.size = page.Held
	j.old.hear(r.header)
	h.sort(j, page.Records)
	return nil
}

// sort keeps those records that were asked for.
func (h *hydrate) sort(j *job, records [][][]byte) {
	asked := make(map[string]bool, len(j.asked))
	for _, w := range j.asked {
		asked[w.text] = true
	}
	j.answer = make(map[string][][]byte, len(records))
	for _, slots := range records {
		for _, slot := range h.keys {
			if h.lone && slots[slot] == nil {
				slots[slot] = j.asked[0].record.Slots[slot]
			}
		}
		text, ok := h.identity(slots)
		if !ok || !asked[text] {
			j.strange = true
			continue
		}
		j.answer[text] = slots
	}
}

// collect turns what a job brought into records.
func (k *walk) collect(j *job, b *syncer.Batch) {
	h := k.hydrate
	for _, w := range j.wants {
		slots, ok := j.answer[w.text]
		_, dropped := k.gone[w.text]
		switch {
		case w.record.Gone:
			b.Records = append(b.Records, *w.record)
		case w.why != "":
			b.Records = append(b.Records, k.lacking(w.record, w.why))
		case ok:
			r := k.record(k.fill(slots), h.width)
			r.Gone, r.Late = h.deleted >= 0 && holds(slots[h.deleted], nil), w.record.Late
			b.Records = append(b.Records, r)
		case j.gone, (h.missing || w.gone) && !j.strange:
			b.Records = append(b.Records, syncer.Record{Slots: k.keyed(w.record), Gone: true})
		case dropped: // by the list of what is gone, in this walk
		default:
			b.Records = append(b.Records, k.lacking(w.record, "is listed as changed, and the owner does not answer with it"))
		}
	}
	b.Size += j.size
	k.old.join(j.old)
}

// lacking is a record of which only the key is known.
func (k *walk) lacking(r *syncer.Record, why string) syncer.Record {
	return syncer.Record{Slots: k.keyed(r), Lacking: why}
}

// keyed is the slots of a record cut down to its key.
func (k *walk) keyed(r *syncer.Record) [][]byte {
	slots := make([][]byte, k.width)
	for _, slot := range k.keys {
		slots[slot] = r.Slots[slot]
	}
	return k.fill(slots)
}
