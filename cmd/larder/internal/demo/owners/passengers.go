package owners

import (
	crand "crypto/rand"
	"math/rand/v2"
	"net/http"
	"time"
)

type passenger struct {
	name   string
	driver int64 // 0 while nobody drives them
}

type passengerWire struct {
	ID       int64  `json:"id"`
	Name     string `json:"name"`
	DriverID *int64 `json:"driver_id"`
	Updated  int64  `json:"updated"`
	Removed  bool   `json:"removed"`
}

type passengersPage struct {
	Items []passengerWire `json:"items"`
	Total int             `json:"total"`
}

func newPassengers(o Options) *Service {
	// Some drivers may be deleted meanwhile: owners promise each other
	// nothing, so a copy that is joined must bear it.
	ride := func(rng *rand.Rand) int64 {
		if rng.IntN(3) == 0 {
			return 0
		}
		return 1 + rng.Int64N(int64(o.Drivers))
	}
	passengers := newTable(kind[passenger]{
		tick: time.Millisecond,
		size: o.Passengers,
		make: func(rng *rand.Rand, _ int64) passenger { return passenger{personName(rng), ride(rng)} },
		alter: func(rng *rand.Rand, _ int64, p passenger) passenger {
			p.driver = ride(rng)
			return p
		},
		columns: func(r row[passenger]) Row {
			columns := Row{"id": integer(r.id), "name": r.record.name, "updated": instant(r.stamp)}
			if r.record.driver != 0 {
				columns["driver_id"] = integer(r.record.driver)
			}
			return columns
		},
	}, o.rng(3))
	return newService(plan{
		name:        Passengers,
		credentials: Credentials{User: "larder", Password: crand.Text()},
		data:        passengers,
		every:       o.Every,
		path:        "/api/passengers",
		answer:      func(w http.ResponseWriter, r *http.Request) { answerPassengers(w, r, passengers) },
	})
}

func answerPassengers(w http.ResponseWriter, r *http.Request, passengers *table[passenger]) {
	q := ask(r)
	since, offset, limit := q.millis("changed_after"), q.count("offset", 0, 0), q.limit("limit")
	if err := q.end(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, total := passengers.newest(since, offset, limit)
	reply(w, http.StatusOK, passengersPage{Items: each(rows, wirePassenger), Total: total})
}

func wirePassenger(r row[passenger]) passengerWire {
	wire := passengerWire{ID: r.id, Name: r.record.name, Updated: r.stamp.UnixMilli(), Removed: r.gone}
	if r.record.driver != 0 {
		wire.DriverID = &r.record.driver
	}
	return wire
}
