package program

import "os/exec"

func ownGroup(*exec.Cmd) {}
