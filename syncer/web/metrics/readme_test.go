package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write README.md anew")

const preface = `# Metrics

What ` + "`/metrics`" + ` shows, made from the code by ` + "`go test ./syncer/web/metrics -update`" + `.

- ` + "`table`" + ` is a copy, as CONSUMER.name; ` + "`source`" + ` a source; ` + "`notifier`" + ` an alert's name and ` + "`kind`" + ` what it is; ` + "`nudge`" + ` a nudge's name. Other labels have the values that stand beside them.
- Timestamps are seconds since 1970. A copy's staleness is ` + "`time() - larder_source_last_success_timestamp_seconds`" + `.
- A daemon that stands by shows nothing of the copies that another one judges, but their ` + "`larder_source_info`" + `: rules take the maximum over daemons.
- Histograms have native buckets, too, where Prometheus asks for them. With more than 500 sources those by source are one for all, without the label.
- Besides these there are ` + "`go_*`, `process_*` and `promhttp_*`" + `.

| name | type | labels | is |
| --- | --- | --- | --- |
`

// TestReferenceIsUpToDate: README.md is what the registry says.
func TestReferenceIsUpToDate(t *testing.T) {
	got := reference(t)
	if *update {
		if err := os.WriteFile("README.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("README.md is not what the code says: write it anew with -update")
	}
}

func reference(t *testing.T) string {
	t.Helper()
	families, err := scripted(t).Gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	out.WriteString(preface)
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "larder_") {
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), labels(f), f.GetHelp())
		}
	}
	return out.String()
}

// labels names those of a metric, and the values of those whose values do not
// stem from a configuration.
func labels(f *dto.MetricFamily) string {
	open := []string{"table", "source", "notifier", "nudge", "kind", "schedule", "timezone", "version", "revision", "goversion"}
	var names []string
	values := make(map[string][]string)
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if !slices.Contains(names, l.GetName()) {
				names = append(names, l.GetName())
			}
			if !slices.Contains(values[l.GetName()], l.GetValue()) {
				values[l.GetName()] = append(values[l.GetName()], l.GetValue())
			}
		}
	}
	for i, n := range names {
		names[i] = "`" + n + "`"
		if !slices.Contains(open, n) {
			names[i] += ": " + strings.Join(values[n], " ")
		}
	}
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, "; ")
}
