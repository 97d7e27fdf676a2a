package syncer

import (
	"context"
	"errors"
	"fmt"
)

// fetchAhead is how many batches wait, at most, while one is applied. Two keep
// the owner and the database both busy; more would only hold memory.
const fetchAhead = 2

var (
	errNoEnd   = errors.New("source ended its walk without an end")
	errNoBatch = errors.New("source yielded neither a batch nor why not")
)

// fetched runs a source's walk ahead of those who apply it. Only one goroutine
// may use it.
type fetched struct {
	ctx    context.Context
	cancel context.CancelFunc
	ch     chan fetchedBatch
	// kept is an error that came behind batches that are to be applied first.
	kept error
}

type fetchedBatch struct {
	batch *Batch
	err   error
}

// fetch starts to walk. The caller must stop what it returns.
func fetch(ctx context.Context, s Source, w Walk) *fetched {
	f := &fetched{ch: make(chan fetchedBatch, fetchAhead)}
	f.ctx, f.cancel = context.WithCancel(ctx)
	go func() {
		defer close(f.ch)
		defer func() {
			if r := recover(); r != nil {
				f.send(fetchedBatch{err: fmt.Errorf("walk panics: %v", r)})
			}
		}()
		for b, err := range s.Walk(f.ctx, w) {
			if b == nil && err == nil {
				err = errNoBatch
			}
			if !f.send(fetchedBatch{batch: b, err: err}) || err != nil || b.End != nil {
				return
			}
		}
		f.send(fetchedBatch{err: errNoEnd})
	}()
	return f
}

func (f *fetched) send(b fetchedBatch) bool {
	if f.ctx.Err() != nil { // stop makes room as it drains
		return false
	}
	select {
	case f.ch <- b:
		return true
	case <-f.ctx.Done():
		return false
	}
}

// gather waits for a batch and takes what else is waiting, within the bounds.
// It never returns both batches and an error, and never neither.
func (f *fetched) gather(limit Gather) ([]*Batch, error) {
	if f.kept != nil {
		return nil, f.kept
	}
	var batches []*Batch
	records, bytes := 0, int64(0)
	for {
		next, ok := f.next(len(batches) == 0)
		if !ok {
			return batches, nil
		}
		if next.err != nil {
			if len(batches) == 0 {
				return nil, next.err
			}
			f.kept = next.err
			return batches, nil
		}
		batches = append(batches, next.batch)
		records += len(next.batch.Records)
		bytes += next.batch.Size
		if next.batch.End != nil || records >= limit.Records || bytes >= limit.Bytes {
			return batches, nil
		}
	}
}

// next takes one batch; if it need not wait, only one that is there. False
// means that none is.
func (f *fetched) next(wait bool) (fetchedBatch, bool) {
	if !wait {
		select {
		case b, ok := <-f.ch:
			if !ok {
				return fetchedBatch{err: f.cause()}, true
			}
			return b, true
		default:
			return fetchedBatch{}, false
		}
	}
	select {
	case b, ok := <-f.ch:
		if !ok {
			return fetchedBatch{err: f.cause()}, true
		}
		return b, true
	case <-f.ctx.Done():
		return fetchedBatch{err: f.cause()}, true
	}
}

func (f *fetched) cause() error {
	if err := context.Cause(f.ctx); err != nil {
		return err
	}
	return errNoEnd
}

// stop ends the walk and waits until the source has let go of everything.
func (f *fetched) stop() {
	f.cancel()
	for range f.ch {
	}
}
