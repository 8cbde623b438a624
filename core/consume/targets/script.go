package targets

import (
	"path/filepath"
	"strings"
)

// interpreters run an argument as a program of their language; the option before
// it has this letter.
var interpreters = map[string]string{
	"sh": "c", "bash": "c", "dash": "c", "ash": "c", "ksh": "c", "mksh": "c", "zsh": "c", "csh": "c", "tcsh": "c", "fish": "c",
	"su": "c", "runuser": "c", "script": "c", "python": "c", "python3": "c", "perl": "e", "ruby": "e", "lua": "e", "node": "e", "php": "r",
	"cmd": "c", "powershell": "c", "pwsh": "c",
}

// scriptOf is the argument that an interpreter runs, wherever in the command the
// interpreter stands: env, sudo, timeout and busybox have it behind them.
func scriptOf(argv []string) string {
	letter := ""
	for i, arg := range argv {
		if letter == "" {
			letter = interpreters[strings.TrimSuffix(strings.ToLower(filepath.Base(filepath.FromSlash(arg))), ".exe")]
			continue
		}
		small := strings.ToLower(arg)
		option := strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.Contains(small, letter)
		switch {
		case !option && small != "/c" && small != "/k":
		case placeholder.MatchString(arg): // perl -e'...'
			return arg
		case i+1 < len(argv):
			return argv[i+1]
		}
	}
	return ""
}
