package codepage

import "strings"

const (
	maxFileName  = 64 // bytes
	maxExtension = 16 // bytes, with the dot
)

// FileName makes the name a sender gave a file safe as a part of a file name, on
// Unix and on Windows: the last part of a path, in printable ASCII, without the
// characters Windows forbids ('_' stands for them) and without its device names,
// not hidden, of at most 64 bytes with the extension kept. What ends in a dot and
// more than 15 bytes is a sentence, not an extension, and its dots become '_'.
// Where nothing is left the name is "attachment".
func FileName(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	name = strings.Trim(strings.Join(strings.Fields(portable(name)), " "), ". ")
	stem, ext := splitExtension(name)
	if isDevice(name) {
		stem = "_" + stem
	}
	if keep := maxFileName - len(ext); len(stem) > keep {
		stem = stem[:keep]
	}
	if stem = strings.TrimRight(stem, " "); stem == "" {
		return "attachment"
	}
	return stem + ext
}

// portable spells name in ASCII, with a space for each control character and '_'
// for what Windows forbids, '?' from the transliteration included.
func portable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r <= ' ' || r == 0x7F:
			return ' '
		case strings.ContainsRune(`<>:"/\|?*`, r):
			return '_'
		}
		return r
	}, string(byShortName["usascii"].Encode(name)))
}

func splitExtension(name string) (stem, ext string) {
	dot := strings.LastIndexByte(name, '.')
	switch {
	case dot < 0:
		return name, ""
	case len(name)-dot > maxExtension:
		return strings.ReplaceAll(name, ".", "_"), ""
	}
	return name[:dot], name[dot:]
}

// isDevice reports whether Windows would open a device under this name; what
// follows the first dot does not matter to it.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToUpper(name), ".")
	switch base = strings.TrimRight(base, " "); base {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port := strings.HasPrefix(base, "COM") || strings.HasPrefix(base, "LPT")
	return port && len(base) == 4 && base[3] >= '1' && base[3] <= '9'
}
