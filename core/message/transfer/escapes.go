package transfer

// AppendQ appends s to b with the Q encoding undone (RFC 2047 §4.2).
func AppendQ(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '_':
			b = append(b, ' ')
		case c == '=' && i+2 < len(s) && HexValue(s[i+1]) >= 0 && HexValue(s[i+2]) >= 0:
			b = append(b, byte(HexValue(s[i+1])<<4|HexValue(s[i+2])))
			i += 2
		default:
			b = append(b, c)
		}
	}
	return b
}

// AppendPercent appends s to b with each %XX undone (RFC 2231 §4, RFC 3986); a
// % without two hex digits stays.
func AppendPercent(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := HexValue(s[i+1]), HexValue(s[i+2])
			if hi >= 0 && lo >= 0 {
				b = append(b, byte(hi<<4|lo))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return b
}

// HexValue is the value of a hexadecimal digit, -1 of another character.
func HexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
