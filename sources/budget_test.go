package sources_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/larder-sync/larder/sources"
)

// meter is an owner that notes when it is asked, and by how many at one time.
type meter struct {
	mu      sync.Mutex
	asked   []time.Time
	now     int
	highest int
	took    time.Duration
}

func (m *meter) RoundTrip(*http.Request) (*http.Response, error) {
	m.mu.Lock()
	m.asked = append(m.asked, time.Now())
	m.now++
	m.highest = max(m.highest, m.now)
	page := len(m.asked)
	m.mu.Unlock()
	time.Sleep(m.took)
	m.mu.Lock()
	m.now--
	m.mu.Unlock()
	return answer(fmt.Sprintf(`{"data":[{"id":%d}]}`, page)), nil
}

// most is how many requests came within any span.
func (m *meter) most(span time.Duration) int {
	highest := 0
	for i, from := range m.asked {
		n := 0
		for _, at := range m.asked[i:] {
			if at.Sub(from) < span {
				n++
			}
		}
		highest = max(highest, n)
	}
	return highest
}

// poll asks each client from so many sources at one time, each several times.
func poll(t *testing.T, times int, clients ...*sources.Client) {
	t.Helper()
	var running sync.WaitGroup
	for _, client := range clients {
		for range 2 {
			s, err := sources.New(client, list(sources.Paging{}))
			if err != nil {
				t.Fatal(err)
			}
			running.Go(func() {
				for range times {
					for _, err := range s.Walk(t.Context(), snapshot()) {
						if err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	running.Wait()
}

// TestTwoSourcesOneRate: together they never exceed the owner's rate and its
// requests at one time.
func TestTwoSourcesOneRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{took: 700 * time.Millisecond}
		client, err := sources.NewClient(sources.Owner{Name: "shop", URL: "https://owner.example", Transport: m, Rate: 2, Burst: 3, Concurrency: 2})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		poll(t, 10, client)
		// Of a bucket of three that fills by two a second, so many in any span.
		if m.most(time.Second) > 5 || m.most(10*time.Second) > 23 || m.highest > 2 || len(m.asked) != 20 {
			t.Errorf("%d requests: up to %d in a second, %d in ten, %d at one time", len(m.asked), m.most(time.Second), m.most(10*time.Second), m.highest)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("takes %v: the rate is not used", took)
		}
	})
}

// TestOwnersOfOneAddressShareABudget: the least of their rates and of their
// requests at one time, however the address is written.
func TestOwnersOfOneAddressShareABudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &meter{took: 100 * time.Millisecond}
		owners := []sources.Owner{
			{Name: "users", URL: "https://owner.example/users", Rate: 4, Burst: 2, Concurrency: 3},
			{Name: "drivers", URL: "https://OWNER.example:443/drivers", Concurrency: 2},
			{Name: "bills", URL: "https://owner.example", Rate: 2, Burst: 5, Concurrency: 9},
			{Name: "elsewhere", URL: "https://elsewhere.example", Rate: 1000, Burst: 1000, Concurrency: 8},
		}
		sources.ShareBudgets(owners)
		var clients []*sources.Client
		for _, o := range owners {
			if o.Transport = m; o.Name == "elsewhere" {
				o.Transport = &meter{took: time.Millisecond}
			}
			client, err := sources.NewClient(o)
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, client)
		}
		start := time.Now()
		poll(t, 5, clients[3])
		if took := time.Since(start); took > time.Second {
			t.Errorf("another address takes %v", took)
		}
		poll(t, 5, clients[:3]...)
		if m.most(time.Second) > 4 || m.most(10*time.Second) > 22 || m.highest > 2 || len(m.asked) != 30 {
			t.Errorf("%d requests: up to %d in a second, %d in ten, %d at one time", len(m.asked), m.most(time.Second), m.most(10*time.Second), m.highest)
		}
	})
}

// TestWaitersDoNotBurst: those that a quota held back are sent by the rate, not
// all at once when it is back.
func TestWaitersDoNotBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []time.Time
		owner := scripted(nil)
		owner.Rate, owner.Concurrency = 1, 5
		owner.Transport = roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, time.Now())
			if len(asked) == 1 {
				return answer(`{"data":[]}`, "RateLimit", `"a";r=0;t=30`), nil
			}
			return answer(`{"data":[]}`), nil
		})
		client, err := sources.NewClient(owner)
		if err != nil {
			t.Fatal(err)
		}
		poll(t, 1, client)
		poll(t, 2, client, client)
		for i := range len(asked) - 1 {
			if gap := asked[i+1].Sub(asked[i]); gap < time.Second {
				t.Errorf("request %d comes %v after the one before", i+2, gap)
			}
		}
		if len(asked) != 10 {
			t.Errorf("%d requests", len(asked))
		}
	})
}
