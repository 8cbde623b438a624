package targets

import (
	"path/filepath"
	"strings"
)

// interpreters run an argument as a program of their language; the option before
// it has this letter. "": all arguments behind are put together and run, by a shell on
// another machine, say.
var interpreters = map[string]string{
	"sh": "c", "bash": "c", "dash": "c", "ash": "c", "ksh": "c", "mksh": "c", "zsh": "c", "csh": "c", "tcsh": "c", "fish": "c", "rbash": "c",
	"su": "c", "runuser": "c", "sg": "c", "script": "c", "python": "c", "perl": "e", "ruby": "e", "lua": "e", "node": "e", "php": "r",
	"cmd": "c", "powershell": "c", "pwsh": "c", "psql": "c", "mysql": "e", "mariadb": "e", "expect": "c", "osascript": "e", "rscript": "e",
	"ssh": "", "slogin": "", "rsh": "", "remsh": "", "plink": "", "dbclient": "", "parallel": "", "watch": "", "sqlite": "",
}

// interpreter is the name of a program without its folder and version: python3.12.
func interpreter(program string) (letter string, known bool) {
	name := strings.TrimSuffix(strings.ToLower(filepath.Base(filepath.FromSlash(program))), ".exe")
	letter, known = interpreters[strings.TrimRight(name, "0123456789.")]
	return letter, known
}

// scriptOf is the first argument with a placeholder that an interpreter runs, wherever
// in the command that stands: env, sudo, timeout and busybox have it behind them, and
// one interpreter may start another. "": there is none.
func scriptOf(argv []string) string {
	for i, program := range argv {
		letter, known := interpreter(program)
		if !known || letter == "" && i > 0 && (argv[i-1] == "-e" || argv[i-1] == "--rsh") { // rsync's way to a machine
			continue
		}
		for _, arg := range scripts(argv[i+1:], letter) {
			if placeholder.MatchString(arg) {
				return arg
			}
		}
	}
	return ""
}

// longOptions do what an option of one letter does.
var longOptions = []string{"--command", "--execute", "--eval", "--print"}

// scripts are the arguments of an interpreter that it runs.
func scripts(args []string, letter string) (all []string) {
	if letter == "" {
		return args
	}
	for i, arg := range args {
		small := strings.ToLower(arg)
		short := strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(small, letter)
		long := false
		for _, name := range longOptions {
			long = long || small == name || strings.HasPrefix(small, name+"=")
		}
		if !short && !long && small != "/c" && small != "/k" {
			continue
		}
		all = append(all, arg) // perl -e'...'
		if i+1 < len(args) {
			all = append(all, args[i+1])
		}
		if !long && letter == "c" { // what follows is for the script: sh -c 'send "$1"' sh -c
			return all
		}
	}
	return all
}
