package tnef

// MAPI property types (MS-OXCDATA §2.11.1).
const (
	ptShort    = 0x0002
	ptLong     = 0x0003
	ptFloat    = 0x0004
	ptDouble   = 0x0005
	ptCurrency = 0x0006
	ptAppTime  = 0x0007
	ptError    = 0x000a
	ptBoolean  = 0x000b
	ptObject   = 0x000d
	ptInt64    = 0x0014
	ptString8  = 0x001e
	ptUnicode  = 0x001f
	ptSysTime  = 0x0040
	ptCLSID    = 0x0048
	ptBinary   = 0x0102
	ptMulti    = 0x1000
)

// properties reads a list of MAPI properties (MS-OXTNEF §2.1.3.4) and hands
// each single value of interest to set, with pos and end around the value.
func (t *reader) properties(set func(id, kind uint16)) {
	for n := t.u32(); n > 0 && t.err == nil; n-- {
		kind, id := t.u16(), t.u16()
		if id >= 0x8000 { // a named property
			t.skip(16)
			if t.u32() == 0 {
				t.u32()
			} else {
				t.skip(padded(t.u32()))
			}
			id = 0
		}
		count := uint32(1)
		variable := isVariable(kind &^ ptMulti)
		if variable || kind&ptMulti != 0 {
			count = t.u32()
		}
		for i := uint32(0); i < count && t.err == nil; i++ {
			t.value(id, kind, variable, i == 0 && kind&ptMulti == 0, set)
		}
	}
}

// value reads one value.
func (t *reader) value(id, kind uint16, variable, wanted bool, set func(id, kind uint16)) {
	length := int64(valueSize(kind &^ ptMulti))
	skip := length
	if variable {
		n := t.u32()
		length, skip = int64(n), padded(n)
	}
	if length == 0 && !variable {
		t.err = errDamaged // unknown type: its length is not known either
	}
	if t.err != nil || skip > t.end-t.pos {
		t.err = errDamaged
		return
	}
	attribute, next := t.end, t.pos+skip
	if wanted {
		t.end = t.pos + length
		set(id, kind)
		t.end = attribute
	}
	t.skip(next - t.pos)
}

// padded is the length of a value with the bytes that align the next.
func padded(n uint32) int64 { return (int64(n) + 3) &^ 3 }

func isVariable(kind uint16) bool {
	return kind == ptString8 || kind == ptUnicode || kind == ptBinary || kind == ptObject
}

// valueSize is the length of a value of fixed length, 0 of an unknown type.
func valueSize(kind uint16) int {
	switch kind {
	case ptShort, ptLong, ptFloat, ptError, ptBoolean:
		return 4
	case ptDouble, ptCurrency, ptAppTime, ptInt64, ptSysTime:
		return 8
	case ptCLSID:
		return 16
	}
	return 0
}
