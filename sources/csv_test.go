package sources_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/sources"
	"github.com/larder-sync/larder/syncer"
)

// table is the spec of a snapshot in CSV.
func table(r sources.Records) sources.Spec {
	r.Format, r.Key = sources.CSV, []string{"id"}
	return formed(r, "id", "name")
}

// typed is an owner behind a socket that answers with a body of a media type.
func typed(t *testing.T, media, body string) sources.Owner {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Accept"), "text/csv") {
			t.Errorf("accepts %q", r.Header.Get("Accept"))
		}
		w.Header().Set("Content-Type", media)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return at(server.URL)
}

func TestCSVRecords(t *testing.T) {
	gone := table(sources.Records{Deleted: "gone"})
	is := table(sources.Records{Deleted: "gone", DeletedEquals: []string{"true", "1"}})
	semi := table(sources.Records{Separator: ";"})
	for name, c := range map[string]struct {
		spec sources.Spec
		body string
		want []string
	}{
		"plain":      {table(sources.Records{}), "id,name\r\n1,a\r\n2,\r\n", []string{`"1" "a"`, `"2" null`}},
		"nothing":    {table(sources.Records{}), "id,name\n", nil},
		"semicolons": {semi, "id;name\n1;a,b\n", []string{`"1" "a,b"`}},
		"what is not gone": {gone, "id,name,gone\n1,a,\n2,b,\"\"\n3,c,false\n4,d,False\n5,e,0\n6,f,2024-01-02\n7,g,true\n8,h,1\n",
			[]string{`"1" "a"`, `"2" "b"`, `"3" "c"`, `"4" "d"`, `"5" "e"`, `-"6" "f"`, `-"7" "g"`, `-"8" "h"`}},
		"what equals": {is, "id,name,gone\n1,a,true\n2,b,1\n3,c,0\n4,d,TRUE\n", []string{`-"1" "a"`, `-"2" "b"`, `"3" "c"`, `"4" "d"`}},
	} {
		t.Run(name, func(t *testing.T) {
			batches, end := complete(t, source(t, typed(t, "text/csv", c.body), c.spec), snapshot())
			if diff := cmp.Diff(c.want, shown(batches)); diff != "" || !end.Listed {
				t.Errorf("end %+v (-want +got):\n%s", end, diff)
			}
		})
	}
}

func TestCSVThatIsNone(t *testing.T) {
	gone := table(sources.Records{Deleted: "gone"})
	for name, c := range map[string]struct {
		media, body string
		spec        sources.Spec
		class       syncer.Class
	}{
		"JSON":               {"application/json", `id`, gone, syncer.ClassAnswer},
		"an error as CSV":    {"text/csv", `{"error":"no"}`, gone, syncer.ClassDecode},
		"HTML as CSV":        {"text/csv", `<html>`, gone, syncer.ClassAnswer},
		"another charset":    {"text/csv; charset=iso-8859-1", "id,name,gone\n1,M\xfcller,\n", gone, syncer.ClassAnswer},
		"nothing":            {"text/csv", ``, gone, syncer.ClassAnswer},
		"no header":          {"text/csv", "1,a,\n", gone, syncer.ClassAnswer},
		"no mapped field":    {"text/csv", "id,Name,gone\n1,a,\n", gone, syncer.ClassAnswer},
		"no field of gone":   {"text/csv", "id,name\n1,a\n", gone, syncer.ClassAnswer},
		"fewer fields":       {"text/csv", "id,name,gone\n1,a\n", gone, syncer.ClassDecode},
		"a quote left open":  {"text/csv", "id,name,gone\n1,\"a,\n", gone, syncer.ClassDecode},
		"in its last window": {"text/csv", "id,name,gone\n" + strings.Repeat("1,"+strings.Repeat("x", 1000)+",\n", 3000) + "1\n", gone, syncer.ClassDecode},
	} {
		t.Run(name, func(t *testing.T) {
			fails(t, source(t, typed(t, c.media, c.body), c.spec), snapshot(), c.class)
		})
	}
	for name, r := range map[string]sources.Records{"unwrap": {Unwrap: "a"}, "at": {At: "a"}, "a field inside": {Deleted: "a.b"}, "a separator": {Separator: ",,"}} {
		client, err := sources.NewClient(at("https://owner.example"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sources.New(client, table(r)); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
	spec := table(sources.Records{Separator: ";"})
	spec.Records.Format = sources.JSON
	client, _ := sources.NewClient(at("https://owner.example"))
	if _, err := sources.New(client, spec); err == nil {
		t.Error("JSON with a separator is taken")
	}
}

// TestCSVInWindows: more than a window is handed out as it comes, and a body
// that could have been cut unseen is none.
func TestCSVInWindows(t *testing.T) {
	body := "id,name\n"
	for i := range 3000 {
		body += fmt.Sprintf("%d,%s\n", i, strings.Repeat("x", 700))
	}
	batches, end := complete(t, source(t, typed(t, "text/csv", body), table(sources.Records{})), snapshot())
	if got := len(shown(batches)); got != 3000 || len(batches) != 4 || !end.Listed {
		t.Errorf("%d records in %d batches, end %+v", got, len(batches), end)
	}
	fails(t, source(t, pages("id,name\n1,a\n"), table(sources.Records{})), snapshot(), syncer.ClassAnswer)
}

// TestCSVWatermark: stamps are texts, and an empty one is none, in quotes too.
func TestCSVWatermark(t *testing.T) {
	spec := table(sources.Records{})
	spec.Mode, spec.Paths = sources.Incremental, append(spec.Paths, "n")
	spec.Request.Query = []sources.Param{param("since", "{since}")}
	spec.Watermark = sources.Watermark{From: []string{"n"}, Format: format(t, "integer"), Null: sources.NullInclude}
	_, end := complete(t, source(t, typed(t, "text/csv", "id,name,n\n1,a,7\n2,b,\"12\"\n3,c,\n4,d,\"\"\n"), spec), changes("5"))
	if end.Watermark != "12" {
		t.Errorf("end %+v", end)
	}
}

// TestCSVHeaderLacksTheWatermark: no record would have it, and the copy would
// stand still or lose all of them, whatever null says.
func TestCSVHeaderLacksTheWatermark(t *testing.T) {
	for _, null := range []sources.Null{sources.NullFail, sources.NullSkip, sources.NullInclude} {
		spec := table(sources.Records{})
		spec.Mode = sources.Incremental
		spec.Request.Query = []sources.Param{param("since", "{since}")}
		spec.Watermark = sources.Watermark{From: []string{"n"}, Format: format(t, "integer"), Null: null}
		fails(t, source(t, typed(t, "text/csv", "id,name,N\n1,a,7\n2,b,12\n"), spec), changes("5"), syncer.ClassAnswer)
	}
}

// TestCSVHeaderMayLack what only a default stands for.
func TestCSVHeaderMayLack(t *testing.T) {
	spec := table(sources.Records{})
	owner := typed(t, "text/csv", "id\n1\n")
	err := fails(t, source(t, owner, spec), snapshot(), syncer.ClassAnswer)
	if !strings.Contains(err.Error(), `"name"`) {
		t.Error(err)
	}
	spec.Optional = []string{"name"}
	batches, _ := complete(t, source(t, owner, spec), snapshot())
	if diff := cmp.Diff([]string{`"1" `}, shown(batches)); diff != "" {
		t.Error(diff)
	}
}

// TestCSVSaysWhatIsGone: databases write booleans and nulls each in their own
// way, and a word that nobody knows must not delete.
func TestCSVSaysWhatIsGone(t *testing.T) {
	spec := table(sources.Records{Deleted: "gone"})
	spec.Paths = []string{"id", "gone"}
	for text, want := range map[string]string{
		"": "stays", `""`: "stays", "f": "stays", "F": "stays", "false": "stays", "no": "stays", "N": "stays", "0": "stays", "NULL": "stays", "null": "stays", `\N`: "stays",
		"t": "goes", "T": "goes", "true": "goes", "TRUE": "goes", "yes": "goes", "Y": "goes", "1": "goes",
		"2024-01-02": "goes", "2024-01-02T03:04:05Z": "goes", "2024-01-02 03:04:05.123456+00": "goes", "2024-01-02 03:04:05 UTC": "goes", "01/02/2024 3:04 PM": "goes",
		`"Tue, 02 Jan 2024 03:04:05 GMT"`: "goes", "1704164645": "goes", "1704164645123": "goes",
		"0.0": "fails", "0000-00-00 00:00:00": "fails", "0001-01-01T00:00:00Z": "fails", "1970-01-01 00:00:00": "fails", "9999-12-31": "fails",
		"active": "fails", "2": "fails", "-": "fails", "\xff": "fails", "2024": "fails", "no one": "fails", "infinity": "fails",
	} {
		owner := typed(t, "text/csv", "id,gone\n1,"+text+"\n")
		switch want {
		case "fails":
			if err := fails(t, source(t, owner, spec), snapshot(), syncer.ClassDecode); !strings.Contains(err.Error(), "deleted.equals") {
				t.Errorf("%q: %v", text, err)
			}
		default:
			batches, _ := complete(t, source(t, owner, spec), snapshot())
			if got := batches[0].Records[0].Gone; got != (want == "goes") {
				t.Errorf("%q: gone %t, want that it %s", text, got, want)
			}
		}
	}
}

// TestCSVSaysWhatIsGoneByTheWatermarksFormat: owners write all their times in one way.
func TestCSVSaysWhatIsGoneByTheWatermarksFormat(t *testing.T) {
	spec := table(sources.Records{Deleted: "gone"})
	spec.Mode = sources.Incremental
	spec.Request.Query = []sources.Param{param("since", "{since}")}
	spec.Watermark = sources.Watermark{From: []string{"at"}, Format: format(t, "02-Jan-2006 15:04:05 -0700")}
	const at = "02-Jan-2024 03:04:05 +0000"
	batches, _ := complete(t, source(t, typed(t, "text/csv", "id,name,at,gone\n1,a,"+at+","+at+"\n2,b,"+at+",\n"), spec), resync())
	if diff := cmp.Diff([]string{`-"1" "a"`, `"2" "b"`}, shown(batches)); diff != "" {
		t.Error(diff)
	}
}
