package owners

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

type driver struct {
	name, plate, status string
	rating              int64 // hundredths of a star
}

type driverWire struct {
	ID        int64       `json:"id"`
	Name      string      `json:"name"`
	Plate     string      `json:"plate"`
	Rating    json.Number `json:"rating"`
	Status    string      `json:"status"`
	UpdatedAt string      `json:"updated_at"`
}

func newDrivers(o Options) *Service {
	drivers := newTable(kind[driver]{
		tick: time.Millisecond,
		size: o.Drivers,
		make: func(rng *rand.Rand, _ int64) driver {
			return driver{personName(rng), plate(rng), driverStatus(rng), 300 + rng.Int64N(201)}
		},
		alter: func(rng *rand.Rand, _ int64, d driver) driver {
			d.status = driverStatus(rng)
			d.rating = min(500, max(100, d.rating+rng.Int64N(11)-5))
			return d
		},
		columns: func(r row[driver]) Row {
			return Row{
				"id":         integer(r.id),
				"name":       r.record.name,
				"plate":      r.record.plate,
				"rating":     decimal(r.record.rating, 2),
				"status":     r.record.status,
				"updated_at": instant(r.stamp),
			}
		},
	}, o.rng(2))
	return newService(plan{
		name:   Drivers,
		data:   drivers,
		every:  o.Every,
		path:   "/drivers",
		answer: func(w http.ResponseWriter, r *http.Request) { answerDrivers(w, r, drivers) },
	})
}

func answerDrivers(w http.ResponseWriter, r *http.Request, drivers *table[driver]) {
	q := ask(r)
	since, page, size := q.instant("since"), q.count("page", 1, 1), q.limit("per_page")
	if err := q.end(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	rows, total := drivers.newest(since, (page-1)*size, size)
	links := pageLink(r, 1, size, "first")
	if page*size < total {
		links += ", " + pageLink(r, page+1, size, "next")
	}
	w.Header().Set("Link", links)
	reply(w, http.StatusOK, each(rows, wireDriver))
}

// pageLink is a link of RFC 8288 to another page of the same request, as an
// absolute URL at the host that the caller used.
func pageLink(r *http.Request, page, size int, rel string) string {
	query := r.URL.Query()
	query.Set("page", strconv.Itoa(page))
	query.Set("per_page", strconv.Itoa(size))
	target := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: query.Encode()}
	return fmt.Sprintf(`<%s>; rel="%s"`, target.String(), rel)
}

func wireDriver(r row[driver]) driverWire {
	status := r.record.status
	if r.gone {
		status = "deleted"
	}
	return driverWire{
		ID:        r.id,
		Name:      r.record.name,
		Plate:     r.record.plate,
		Rating:    json.Number(decimal(r.record.rating, 2)),
		Status:    status,
		UpdatedAt: stampMillis(r.stamp),
	}
}
