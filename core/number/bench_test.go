package number

import "testing"

func BenchmarkNumber(b *testing.B) {
	for name, r := range map[string]Region{"clean": {}, "CZ": {"CZ"}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Number("+420 603 123 456")
			}
		})
	}
}
