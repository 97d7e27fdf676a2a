package syncer

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// batches is a Source that yields batches of so many records, of 10 bytes each,
// and then an end or an error.
type batches struct {
	records []int
	err     error
}

func (s batches) Walk(context.Context, Walk) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		for i, n := range s.records {
			b := &Batch{Records: make([]Record, n), Size: int64(10 * n)}
			if i == len(s.records)-1 && s.err == nil {
				b.End = &End{}
			}
			if !yield(b, nil) {
				return
			}
		}
		if s.err != nil {
			yield(nil, s.err)
		}
	}
}

// gatherAll gathers until the end, each time when all that can wait does.
func gatherAll(t *testing.T, s Source, limit Gather) (sizes [][]int, err error) {
	synctest.Test(t, func(t *testing.T) {
		f := fetch(t.Context(), s, Walk{})
		defer f.stop()
		for {
			synctest.Wait()
			got, gerr := f.gather(limit)
			if gerr != nil {
				err = gerr
				return
			}
			var one []int
			for _, b := range got {
				one = append(one, len(b.Records))
			}
			sizes = append(sizes, one)
			if got[len(got)-1].End != nil {
				return
			}
		}
	})
	return sizes, err
}

func TestGather(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		name   string
		source batches
		limit  Gather
		want   [][]int
		err    error
	}{
		{"all that waits", batches{[]int{1, 2, 3}, nil}, Gather{100, 1000}, [][]int{{1, 2, 3}}, nil},
		{"up to the records", batches{[]int{2, 2, 2, 2}, nil}, Gather{4, 1000}, [][]int{{2, 2}, {2, 2}}, nil},
		{"up to the bytes", batches{[]int{2, 2, 2}, nil}, Gather{100, 30}, [][]int{{2, 2}, {2}}, nil},
		{"one that is too big goes alone", batches{[]int{50, 1}, nil}, Gather{10, 1000}, [][]int{{50}, {1}}, nil},
		{"no bounds gather nothing", batches{[]int{1, 1}, nil}, Gather{}, [][]int{{1}, {1}}, nil},
		{"an error comes after what is good", batches{[]int{1, 2}, broken}, Gather{100, 1000}, [][]int{{1, 2}}, broken},
		{"an error alone", batches{nil, broken}, Gather{100, 1000}, nil, broken},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := gatherAll(t, test.source, test.limit)
			if diff := cmp.Diff(test.want, got); diff != "" || !errors.Is(err, test.err) {
				t.Errorf("gathered (-want +got):\n%s\nerror %v, want %v", diff, err, test.err)
			}
		})
	}
}

// Whatever the bounds, every batch comes once and in order, and no gathering
// goes on past a bound that it has reached.
func TestGatherKeepsOrderAndBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := batches{records: rapid.SliceOfN(rapid.IntRange(0, 9), 1, 20).Draw(rt, "records")}
		limit := Gather{Records: rapid.IntRange(0, 30).Draw(rt, "most"), Bytes: rapid.Int64Range(0, 300).Draw(rt, "bytes")}
		sizes, err := gatherAll(t, s, limit)
		var all []int
		for _, one := range sizes {
			sum := 0
			for _, n := range one[:len(one)-1] {
				sum += n
			}
			if len(one) > 1 && (sum >= limit.Records || int64(10*sum) >= limit.Bytes) {
				rt.Errorf("gathered %v, past %+v", one, limit)
			}
			all = append(all, one...)
		}
		if err != nil || !cmp.Equal(all, s.records) {
			rt.Errorf("gathered %v, error %v, want %v", all, err, s.records)
		}
	})
}
