package owners

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// ahead is how many hours a forecast has, the current one included.
const ahead = 24

// City is a place with a forecast. The coordinates are decimal degrees as
// text, to be put into a request as they are.
type City struct {
	Name, Latitude, Longitude string
}

// Cities are the places that the weather service knows.
func Cities() []City {
	return []City{
		{"Berlin", "52.52", "13.41"},
		{"Lisbon", "38.72", "-9.14"},
		{"Oslo", "59.91", "10.75"},
		{"Wellington", "-41.29", "174.78"},
	}
}

// skies is the forecasts of all cities. It has no stamps: each answer is a
// whole snapshot.
type skies struct {
	mu        sync.Mutex
	rng       *rand.Rand
	forecasts []forecast
	frozen    bool
}

type forecast struct {
	city  City
	first time.Time // start of the current hour when last revised, UTC
	hours [ahead]hour
}

type hour struct {
	temperature int64 // hundredths of a degree Celsius
	wind        int64 // tenths of a metre a second
}

type hourWire struct {
	Time        string      `json:"time"`
	Temperature json.Number `json:"temperature"`
	Wind        json.Number `json:"wind"`
}

type forecastWire struct {
	Latitude  json.Number `json:"latitude"`
	Longitude json.Number `json:"longitude"`
	Hours     []hourWire  `json:"hours"`
}

func newWeather(o Options) *Service {
	s := newSkies(o.rng(5))
	return newService(plan{
		name:   Weather,
		data:   s,
		every:  o.WeatherEvery,
		path:   "/v1/forecast",
		answer: s.answer,
	})
}

func newSkies(rng *rand.Rand) *skies {
	s := &skies{rng: rng}
	first := time.Now().UTC().Truncate(time.Hour)
	for _, city := range Cities() {
		f := forecast{city: city, first: first}
		for i := range f.hours {
			f.hours[i] = anyHour(rng)
		}
		s.forecasts = append(s.forecasts, f)
	}
	return s
}

func (s *skies) change(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.reviseLocked()
	}
}

func (s *skies) drift() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.frozen {
		s.reviseLocked()
	}
	return !s.frozen
}

func (s *skies) freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = true
}

// reviseLocked writes the forecast of one city anew. Hours that have passed
// leave it only then, so that nothing changes but by a change.
func (s *skies) reviseLocked() {
	f := &s.forecasts[s.rng.IntN(len(s.forecasts))]
	passed := int(min(ahead, max(0, time.Since(f.first)/time.Hour)))
	copy(f.hours[:], f.hours[passed:])
	for i := ahead - passed; i < ahead; i++ {
		f.hours[i] = anyHour(s.rng)
	}
	if passed > 0 {
		f.first = time.Now().UTC().Truncate(time.Hour)
	}
	for i := range f.hours {
		if s.rng.IntN(2) == 0 {
			f.hours[i].temperature += 25 * (s.rng.Int64N(5) - 2)
		}
	}
	f.hours[s.rng.IntN(ahead)] = anyHour(s.rng)
}

// anyHour is mild weather: -5 to 25 degrees in quarters, up to 15 m/s.
func anyHour(rng *rand.Rand) hour {
	return hour{temperature: 25 * (rng.Int64N(121) - 20), wind: rng.Int64N(151)}
}

func (s *skies) answer(w http.ResponseWriter, r *http.Request) {
	q := ask(r)
	latitude, longitude := q.degrees("latitude", 90), q.degrees("longitude", 180)
	if err := q.end(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	f, ok := s.at(latitude, longitude)
	if !ok {
		refuse(w, http.StatusNotFound, "there is no forecast for this place")
		return
	}
	body, err := encode(f.wire())
	if err != nil {
		refuse(w, http.StatusInternalServerError, "the answer cannot be written")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(body)))
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body)) // knows If-None-Match
}

// at is a copy of the forecast for a place.
func (s *skies) at(latitude, longitude float64) (forecast, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.forecasts {
		lat, latErr := strconv.ParseFloat(f.city.Latitude, 64)
		lon, lonErr := strconv.ParseFloat(f.city.Longitude, 64)
		if latErr == nil && lonErr == nil && lat == latitude && lon == longitude {
			return f, true
		}
	}
	return forecast{}, false
}

func (f forecast) wire() forecastWire {
	wire := forecastWire{Latitude: json.Number(f.city.Latitude), Longitude: json.Number(f.city.Longitude)}
	for i, h := range f.hours {
		wire.Hours = append(wire.Hours, hourWire{
			Time:        f.start(i).Format(time.RFC3339),
			Temperature: json.Number(shortest(h.temperature, 2)),
			Wind:        json.Number(shortest(h.wind, 1)),
		})
	}
	return wire
}

func (f forecast) start(i int) time.Time { return f.first.Add(time.Duration(i) * time.Hour) }

func (s *skies) truth() []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []Row
	for _, f := range s.forecasts {
		for i, h := range f.hours {
			rows = append(rows, Row{
				"city":        f.city.Name,
				"time":        instant(f.start(i)),
				"temperature": shortest(h.temperature, 2),
				"wind":        shortest(h.wind, 1),
			})
		}
	}
	return rows
}
