package demo

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/cmd/larder/internal/demo/owners"
)

func TestDifferences(t *testing.T) {
	forecast := copied{"weather", owners.Weather, []string{"city", "time"}, []string{"city", "time", "wind"}}
	row := func(city, time, wind string) owners.Row {
		r := owners.Row{"city": city, "time": time, "wind": wind, "temperature": "not copied"}
		if wind == "" {
			delete(r, "wind")
		}
		return r
	}
	truth := []owners.Row{row("Oslo", "1", "3.5"), row("Oslo", "2", ""), row("Lisbon", "1", "7")}
	for _, test := range []struct {
		name string
		have []owners.Row
		want []string
	}{
		{"equal in another order", []owners.Row{truth[2], truth[0], truth[1]}, nil},
		{"a row is missing", truth[:2], []string{`city "Lisbon", time "1": the copy has no such row`}},
		{"a row too many", append(truth[:3:3], row("Oslo", "3", "1")),
			[]string{`city "Oslo", time "3": the owner has no such row, or the copy has it twice`}},
		{"a row twice", append(truth[:3:3], truth[0]),
			[]string{`city "Oslo", time "1": the owner has no such row, or the copy has it twice`}},
		{"another value", []owners.Row{row("Oslo", "1", "3.50"), truth[1], truth[2]},
			[]string{`city "Oslo", time "1": wind is "3.50", the owner has "3.5"`}},
		{"null for a value", []owners.Row{row("Oslo", "1", ""), truth[1], truth[2]},
			[]string{`city "Oslo", time "1": wind is NULL, the owner has "3.5"`}},
		{"text for null", []owners.Row{truth[0], row("Oslo", "2", "NULL"), truth[2]},
			[]string{`city "Oslo", time "2": wind is "NULL", the owner has NULL`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, forecast.differences(truth, test.have)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}
