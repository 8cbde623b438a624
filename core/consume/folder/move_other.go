//go:build !linux

package folder

// moveNew is move to a name that nothing has.
func moveNew(from *dir, name string, to *dir, as string) error {
	return moveChecked(from, name, to, as)
}
