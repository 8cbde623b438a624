package migrate

import (
	_ "embed" // for what follows
	"strings"
)

// The original keeps its users and their rights in a database, which no export
// holds: what moves them, and the configuration for it.
var (
	//go:embed users.sql
	usersSQL string
	//go:embed users.yaml
	usersYAML string
)

// moveUsers is what the configuration says in the place of authentication_lib.
func moveUsers() []string {
	lines := []string{"  its users and their rights move by one query:"}
	for line := range strings.Lines(usersSQL) {
		lines = append(lines, "  "+strings.TrimSuffix(line, "\n"))
	}
	lines = append(lines, "  and the configuration for them (the same from a file: users_file, made by smtpreceiver hash-password, and senders.file):")
	for line := range strings.Lines(usersYAML) {
		lines = append(lines, "  "+strings.TrimSuffix(line, "\n"))
	}
	return lines
}
