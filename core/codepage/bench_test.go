package codepage

import (
	"io"
	"strings"
	"testing"
)

func BenchmarkEncode(b *testing.B) {
	for _, bm := range []struct{ name, page, text string }{
		{"ASCII", "cp1250", "Potvrzeni objednavky 20261123 pro Jana Novaka. "},
		{"Czech", "cp1250", "Potvrzení objednávky č. 20261123 – Žluťoučký kůň. "},
		{"CzechUTF8", "utf-8", "Potvrzení objednávky č. 20261123 – Žluťoučký kůň. "},
		{"CzechTransliterated", "us-ascii", "Potvrzení objednávky č. 20261123 – Žluťoučký kůň. "},
		{"Japanese", "shift_jis", "ご注文番号20261123の確認をお送りいたします。"},
	} {
		b.Run(bm.name, func(b *testing.B) {
			p, text := mustLookup(b, bm.page), strings.Repeat(bm.text, 40) // 2 KiB, a mail
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				p.Encode(text)
			}
		})
	}
}

func BenchmarkWriter(b *testing.B) {
	p, piece := mustLookup(b, "cp1250"), []byte(strings.Repeat("Potvrzení objednávky – Žluťoučký kůň.\r\n", 800))
	b.SetBytes(int64(len(piece)))
	b.ReportAllocs()
	w := p.Writer(io.Discard)
	for b.Loop() {
		w.Write(piece)
	}
}

func BenchmarkFileName(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		FileName("Smlouva č. 20261123 – Žluťoučký kůň.pdf")
	}
}
