package sources

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// A body that is longer than windowBytes is handed out in windows of about so
// much. Up to there its attempt reads it, and asks again where it breaks off.
const (
	windowRecords = 1000
	windowBytes   = 1 << 20
)

// streams reports whether a long body is read while it arrives: one that is the
// whole answer, in a form that windows can be cut from, and of which nothing has
// to be known ahead of the records. It holds one of the owner's slots meanwhile,
// for which the fetches of its records would wait for ever.
func (s *Source) streams() bool {
	r := &s.spec.Records
	turned := s.spec.Mode != SnapshotAll && s.spec.Watermark.First != "" && !s.format.Bare
	return s.decoder.Streams() && s.spec.Paging.By == None && r.Hydrate == nil && r.DeletedList.At == "" && !turned && !s.spec.Request.Whole
}

// timely is a body whose walk has to come to its end in time, whoever reads it
// and however slowly it drips.
type timely struct {
	io.Reader
	inTime func() error
}

func (b timely) Read(p []byte) (int, error) {
	if err := b.inTime(); err != nil {
		return 0, err
	}
	return b.Reader.Read(p)
}

// stream walks a long body while it arrives, and says why the walk is unfinished
// when it is. What stands beside the records is judged as soon as it is there,
// and what must be there at the end. The end stands in an empty batch of its own,
// because only the body's end shows that the last window was the last; what the
// body says is gone comes with it.
func (k *walk) stream(ctx context.Context, r *response) (why string, err error) {
	defer func() { _ = r.stream.Close() }()
	if err := errors.Join(k.refuse(r, nil), k.paging.onlyPart(r.header)); err != nil {
		return "", err
	}
	body, err := sniff(r.header, timely{r.stream, func() error { return k.inTime(ctx) }})
	if err != nil {
		return "", k.broken(ctx, err)
	}
	waiting := &withheld{}
	all, err := k.windows(ctx, r, body, waiting)
	if err != nil {
		return "", err
	}
	if err := k.beside(all); err != nil {
		return "", err
	}
	b := &syncer.Batch{}
	if why := k.unfinished(); why != "" {
		return why, k.hand(b)
	}
	if err := k.finish(b, r.header); err != nil {
		return "", err
	}
	if err := k.release(waiting, b); err != nil {
		return "", err
	}
	return "", k.hand(b)
}

// windows hands on the records of a body, and returns what stands beside them
// once that is judged.
func (k *walk) windows(ctx context.Context, r *response, body io.Reader, waiting *withheld) (*answer, error) {
	if err := k.early(r, nil); err != nil {
		return nil, err
	}
	all, misfit := &answer{header: r.header, url: r.url}, error(nil)
	for p, err := range k.decoder.Windows(body, decode.Window{Records: windowRecords, Bytes: windowBytes}) {
		if err != nil && !decode.Sound(err) {
			return nil, k.broken(ctx, err)
		}
		if all.body = p.Body; err != nil {
			misfit = err
			break
		}
		if err := k.early(r, p.Body); err != nil {
			return nil, err
		}
		if len(p.Records) == 0 {
			continue // the end, which has a batch of its own
		}
		k.pages++
		if err := k.window(ctx, p, waiting); err != nil {
			return nil, err
		}
	}
	return all, k.resumable(k.expires(k.verdict(r, all.body, misfit)))
}

// early judges what is there of a body, before more of its records are taken.
func (k *walk) early(r *response, body [][]byte) error {
	if err := k.says(r, body, false); err != nil {
		return k.resumable(k.expires(err))
	}
	if raw := k.epochs.at.in(r.header, body); raw != nil && k.epochs.asker == nil {
		return k.hearEpoch(raw)
	}
	return nil
}

// window hands on the records of a window, but for those that have to wait.
// Where the walk can go on behind a window, because records come in order and
// nothing stands beside them, nothing waits: what came counts, as a page does.
func (k *walk) window(ctx context.Context, p decode.Page, waiting *withheld) error {
	if err := k.inTime(ctx); err != nil {
		return err
	}
	if k.guard.counted {
		k.guard.fresh(p.Records)
	}
	if err := k.open(p.Records); err != nil {
		return fmt.Errorf("read window %d: %w", k.pages, err)
	}
	b, err := k.batch(p.Records, p.Held)
	if err != nil {
		return fmt.Errorf("read window %d: %w", k.pages, err)
	}
	if len(waiting.records) > 0 {
		b.Resume = k.held
	} else if k.format.Bare { // else what comes behind the records may void them
		b.Resume = k.resume(step{})
	}
	if b.Resume == nil || len(waiting.records) > 0 {
		if err := k.withhold(waiting, b); err != nil {
			return fmt.Errorf("read window %d: %w", k.pages, err)
		}
	}
	return k.hand(b)
}

// broken says why a body ended before its end.
func (k *walk) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unreadable(err)
}

// lacksList reports whether an answer without the list is taken for an empty
// one.
func (s *Source) lacksList(err error) bool {
	return s.spec.Records.AbsentEmpty && errors.Is(err, decode.ErrNoArray)
}
