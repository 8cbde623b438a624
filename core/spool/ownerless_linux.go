package spool

import "golang.org/x/sys/unix"

// ownerless are file systems on which all files belong to whom the mount says.
var ownerless = map[int64]string{
	unix.CIFS_SUPER_MAGIC: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB", unix.SMB_SUPER_MAGIC: "SMB",
	unix.MSDOS_SUPER_MAGIC: "FAT", unix.EXFAT_SUPER_MAGIC: "exFAT",
}

// Ownerless names the file system of a folder if files have no owners of their own
// there, so that nobody can tell who has put what into it; "": they have.
func Ownerless(folder string) string {
	var fs unix.Statfs_t
	if unix.Statfs(folder, &fs) != nil {
		return "" // Usable says what is wrong with it
	}
	return ownerless[int64(uint32(fs.Type))]
}
