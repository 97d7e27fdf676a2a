package feedtest

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// OpenMeteo is the forecast of Open-Meteo: for one place an object, for several
// an array of them, with hourly parallel arrays, from the beginning of the day
// for Hours hours. No two answers are alike, because each tells how long it
// took. What is wrong is told by {"error": true, "reason": …}, and one that
// asks too often is not told for how long to stay away.
type OpenMeteo struct {
	Store
	Hours int
	// Model is the run of the model: another one has other temperatures.
	Model int
	// Reason refuses every request: with 429 where it speaks of a limit, else
	// with 400, or with Status.
	Reason string
	Status int
	// Short drops the last element of the temperatures.
	Short bool
	// Empty answers with arrays that are empty, at these latitudes.
	Empty map[string]bool
}

// ServeHTTP answers /v1/forecast.
func (o *OpenMeteo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.note(r)
	q := r.URL.Query()
	lats, lons := strings.Split(q.Get("latitude"), ","), strings.Split(q.Get("longitude"), ",")
	status, reason := http.StatusBadRequest, o.Reason
	switch {
	case o.Status != 0:
		status = o.Status
	case strings.Contains(reason, "limit"):
		status = http.StatusTooManyRequests
	case reason == "" && (q.Get("latitude") == "" || len(lats) != len(lons)):
		reason = "Parameter 'latitude' and 'longitude' must have the same number of elements"
	case reason == "" && q.Get("timeformat") != "unixtime":
		reason = "this fake tells unixtime only"
	}
	if reason != "" {
		answer(w, status, object{"error": true, "reason": reason})
		return
	}
	places := []object{}
	for _, lat := range lats {
		places = append(places, o.place(lat))
	}
	if len(places) == 1 {
		answer(w, http.StatusOK, places[0])
		return
	}
	answer(w, http.StatusOK, places)
}

func (o *OpenMeteo) place(lat string) object {
	times, temperatures, winds := []int64{}, []any{}, []any{}
	for hour := range o.hours(lat) {
		at := o.day().Add(time.Duration(hour) * time.Hour)
		times, temperatures = append(times, at.Unix()), append(temperatures, o.temperature(lat, at))
		winds = append(winds, float64(at.Hour())/2)
	}
	if o.Short && len(temperatures) > 0 {
		temperatures = temperatures[1:]
	}
	return object{"latitude": 52.52, "longitude": 13.419998, "utc_offset_seconds": 0, "timezone": "GMT", "elevation": 38,
		"generationtime_ms": float64(len(o.Asked())) + 0.0123,
		"hourly_units":      object{"time": "unixtime", "temperature_2m": "°C"},
		"hourly":            object{"interval": 3600, "time": times, "temperature_2m": temperatures, "wind_speed_10m": winds}}
}

func (o *OpenMeteo) hours(lat string) int {
	if o.Empty[lat] {
		return 0
	}
	return o.Hours
}

func (o *OpenMeteo) day() time.Time { return o.clock().UTC().Truncate(24 * time.Hour) }

func (o *OpenMeteo) temperature(lat string, at time.Time) float64 {
	n, _ := strconv.ParseFloat(lat, 64)
	return float64(int(n)) + float64(at.Unix()/3600%24)/10 + float64(o.Model)*100
}

// Forecast is what it tells of a place, by hour.
func (o *OpenMeteo) Forecast(lat string) map[string]string {
	all := map[string]string{}
	for hour := range o.hours(lat) {
		at := o.day().Add(time.Duration(hour) * time.Hour)
		all[strconv.FormatInt(at.Unix(), 10)] = strconv.FormatFloat(o.temperature(lat, at), 'f', -1, 64)
	}
	return all
}
