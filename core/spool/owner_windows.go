package spool

import "io/fs"

// ownerIsUs: who may write in a folder is a matter of access lists here.
func ownerIsUs(fs.FileInfo) (owner int, ours bool) { return 0, true }

// inode is not known here.
func (d *dir) inode() uint64 { return 0 }
