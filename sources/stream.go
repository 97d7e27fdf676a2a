package sources

import (
	"context"
	"errors"
	"fmt"

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
	return s.decoder.Streams() && s.spec.Paging.By == None && r.Hydrate == nil && r.DeletedList.At == "" && !turned
}

// stream walks a long body while it arrives, and says why the walk is unfinished
// when it is. What stands beside the records is judged as soon as it is there,
// and what must be there at the end. The end stands in an empty batch of its own,
// because only the body's end shows that the last window was the last.
func (k *walk) stream(ctx context.Context, r *response) (why string, err error) {
	defer func() { _ = r.stream.Close() }()
	body, err := sniff(r.header, r.stream)
	if err != nil {
		return "", err
	}
	if err := k.refuse(r, nil); err != nil {
		return "", err
	}
	if err := k.early(r, nil); err != nil {
		return "", err
	}
	all, misfit := answer{header: r.header, url: r.url}, error(nil)
	for p, err := range k.decoder.Windows(body, decode.Window{Records: windowRecords, Bytes: windowBytes}) {
		if err != nil && !decode.Sound(err) {
			return "", k.broken(ctx, err)
		}
		if all.body = p.Body; err != nil {
			misfit = err
			break
		}
		if err := k.early(r, p.Body); err != nil {
			return "", err
		}
		if len(p.Records) == 0 {
			continue // the end, which has a batch of its own
		}
		k.pages++
		if err := k.window(ctx, p); err != nil {
			return "", err
		}
	}
	if err := k.whole(r, &all, misfit); err != nil {
		return "", err
	}
	b := &syncer.Batch{}
	if why := k.guard.unfinished(k.resumed()); why != "" {
		return why, k.hand(b)
	}
	if err = k.finish(b, r.header); err != nil {
		return "", err
	}
	return "", k.hand(b)
}

// early judges what is there of a body, before more of its records are taken.
func (k *walk) early(r *response, body [][]byte) error {
	if k.expired.inAnswer(r.status, r.header, body) {
		return k.resumable(k.expires(refusal{errSaysExpired}))
	}
	wrong := k.client.redact.wrong(k.errorAt, r.header, body)
	if wrong == nil && k.require.at.in(r.header, body) != nil {
		wrong = k.judge(r.header, body)
	}
	if wrong != nil {
		return k.resumable(refusal{wrong})
	}
	if raw := k.epochs.at.in(r.header, body); raw != nil && k.epochs.asker == nil {
		return k.hearEpoch(raw)
	}
	return nil
}

// whole judges a body that has come to its end.
func (k *walk) whole(r *response, all *answer, misfit error) error {
	if wrong := k.judge(r.header, all.body); wrong != nil {
		return refusal{wrong}
	}
	if misfit != nil && !k.lacksList(misfit) {
		return refusal{unreadable(misfit)}
	}
	if err := k.pageEpoch(all); err != nil {
		return err
	}
	if total := k.paging.total; total.set() {
		n, err := total.count(total.in(all.header, all.body))
		if err != nil {
			return err
		}
		k.guard.count(n)
	}
	if k.before == nil {
		return k.mark.place(all)
	}
	return nil
}

func (k *walk) window(ctx context.Context, p decode.Page) error {
	if err := k.bounds(ctx); err != nil {
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
	if k.format.Bare { // else what comes behind the records may void them
		b.Resume = k.resume(step{})
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
