package targets

import "os"

func giveToGroup(*os.File, string) {}

func syncFolder(string) error { return nil }

func syncOpen(*os.File) error { return nil }
