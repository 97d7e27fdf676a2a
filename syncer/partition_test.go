package syncer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/larder-sync/larder/syncer"
)

// A partition is read back from its name as it was, whatever its values hold.
func TestPartitionIsReadBackFromItsName(t *testing.T) {
	values := []syncer.PartitionValue{{Name: "city", JSON: []byte(`"Köln \"Deutz\""`)}, {Name: "lat", JSON: []byte(`50.94`)}}
	p := syncer.NewPartition(values...)
	if want := `{"city":"Köln \"Deutz\"","lat":50.94}`; p.Name != want {
		t.Errorf("name is %s, want %s", p.Name, want)
	}
	if again := syncer.NewPartition(values[1], values[0]); again.Name != p.Name {
		t.Errorf("in another order it is %s", again.Name)
	}
	if diff := cmp.Diff(p, syncer.ParsePartition(p.Name)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	if whole := syncer.ParsePartition(""); whole.Name != "" || whole.Values != nil {
		t.Errorf("the whole is read as %+v", whole)
	}
}
