package simulation

import "testing"

func TestSimulation(t *testing.T) {
	for seed := range 300 {
		if err := Live(t, Draw(seed), Memory, Seams{}); err != nil {
			t.Fatalf("memory:%d: %v", seed, err)
		}
	}
}

func BenchmarkHistory(b *testing.B) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		Draw(i % 100)
	}
}
