package sources

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-sync/larder/sources/decode"
	"github.com/larder-sync/larder/syncer"
)

// withheld is what a body that is read in windows says is gone. An error may
// stand behind the records, or the body may break off, and an answer that is
// none must not have deleted a row, while one that it has written is the
// owner's own. So deletions wait for the body's end, and with them whatever
// comes later of the same keys, because the last word on a key counts.
type withheld struct {
	records []syncer.Record
	keys    map[string]struct{}
	size    int64
}

// withhold takes out of a window what has to wait. All that waits may be as
// large as a body that is read whole.
func (k *walk) withhold(w *withheld, b *syncer.Batch) error {
	gone := func(r syncer.Record) bool { return r.Gone }
	if len(w.keys) == 0 && !slices.ContainsFunc(b.Records, gone) {
		return nil
	}
	if w.keys == nil {
		w.keys = map[string]struct{}{}
	}
	on := b.Records[:0]
	for _, r := range b.Records {
		key := k.keyText(r.Slots)
		if _, waits := w.keys[key]; !waits && !r.Gone {
			on = append(on, r)
			continue
		}
		w.keys[key] = struct{}{}
		r, size := apart(r)
		w.records = append(w.records, r)
		if w.size += size + int64(len(key)); w.size > k.client.owner.MaxBody {
			return &failure{class: syncer.ClassTooLarge, text: fmt.Sprintf(
				"answer tells more deletions than max_body = %d bytes can hold until it has come to its end", k.client.owner.MaxBody)}
		}
	}
	clear(b.Records[len(on):])
	b.Records = on
	return nil
}

// release hands on what was withheld, but for the end of it, which b takes.
func (k *walk) release(w *withheld, b *syncer.Batch) error {
	last := k.last
	k.last = false // of a slice: b is
	for len(w.records) > mostTombs {
		part := &syncer.Batch{Records: w.records[:mostTombs:mostTombs], Resume: k.held, Size: w.size * mostTombs / int64(len(w.records))}
		w.size -= part.Size
		w.records = w.records[mostTombs:]
		if err := k.hand(part); err != nil {
			return err
		}
	}
	b.Records, b.Size, k.last = w.records, w.size, last
	return nil
}

// keyText tells a record's key from others, however the owner writes it.
func (k *walk) keyText(slots [][]byte) string {
	var key strings.Builder
	for _, slot := range k.keys {
		text, ok, err := decode.Text(slots[slot])
		if err != nil || !ok {
			text = string(slots[slot])
		}
		fmt.Fprintf(&key, "%d:%s", len(text), text)
	}
	return key.String()
}

// apart is a record that shares no memory with its window, and how many bytes
// it holds, about.
func apart(r syncer.Record) (syncer.Record, int64) {
	size := tombBytes + len(r.Slots)*slotBytes
	r.Slots = slices.Clone(r.Slots)
	for i, raw := range r.Slots {
		r.Slots[i] = bytes.Clone(raw)
		size += len(raw)
	}
	r.Unnamed = slices.Clone(r.Unnamed)
	for i, m := range r.Unnamed {
		r.Unnamed[i] = syncer.Field{Name: strings.Clone(m.Name), Raw: bytes.Clone(m.Raw)}
		size += 2*slotBytes + len(m.Name) + len(m.Raw)
	}
	return r, int64(size)
}
