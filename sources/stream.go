package sources

import (
	"context"
	"fmt"
	"net/http"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// A streamed body is handed out in windows of about this much.
const (
	windowRecords = 1000
	windowBytes   = 1 << 20
)

// stream walks one body while it arrives. Its windows cannot be resumed; the
// end stands in an empty batch of its own, because only the body's end shows
// that the last window was the last.
func (k *walk) stream(ctx context.Context) error {
	if err := k.bounds(ctx); err != nil {
		return err
	}
	r, err := k.ask(ctx, k.asker)
	if err != nil {
		return k.resumable(k.expires(err))
	}
	if r.status == http.StatusNotModified {
		return k.unchanged(r.header)
	}
	if r.stream != nil {
		defer func() { _ = r.stream.Close() }()
	}
	if err := k.refuse(r, nil); err != nil {
		return err
	}
	if k.expired.inAnswer(r.status, r.header, nil) {
		return k.resumable(k.expires(refusal{errSaysExpired}))
	}
	if err := k.judge(r.header, nil); err != nil {
		return k.resumable(refusal{err})
	}
	if k.before == nil {
		if err := k.mark.place(&answer{header: r.header, url: r.url}); err != nil {
			return err
		}
	}
	if err := k.pageEpoch(&answer{header: r.header}); err != nil {
		return err
	}
	body, err := sniff(r.header, r.stream)
	if err != nil {
		return err
	}
	window := decode.Window{Records: windowRecords, Bytes: windowBytes}
	for p, err := range k.decoder.Lines(body, window) {
		if err != nil {
			return k.broken(ctx, err)
		}
		k.pages++
		if err := k.window(ctx, p); err != nil {
			return err
		}
	}
	b := &syncer.Batch{}
	if err = k.finish(b, r.header); err != nil {
		return err
	}
	return k.hand(b)
}

func (k *walk) window(ctx context.Context, p decode.Page) error {
	if err := k.bounds(ctx); err != nil {
		return err
	}
	if err := k.open(p.Records); err != nil {
		return fmt.Errorf("read window %d: %w", k.pages, err)
	}
	b, err := k.batch(p.Records, p.Held)
	if err != nil {
		return fmt.Errorf("read window %d: %w", k.pages, err)
	}
	b.Resume = k.resume(step{})
	return k.hand(b)
}

// broken says why a body ended before its end.
func (k *walk) broken(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return unreadable(err)
}
