package targets

import (
	"os"
	"os/exec"
)

func ownGroup(*exec.Cmd) {}

func giveToGroup(*os.File, string) {}

func syncFolder(string) error { return nil }

func syncOpen(*os.File) error { return nil }
