package man

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"one\ntwo. Three (see 4). Five":   "one two.\nThree (see 4).\nFive\n",
		"a\n\nb":                          "a\n.Pp\nb\n",
		".staging":                        "\\&.staging\n",
		`'\d+'`:                           "\\&'\\ed+'\n",
		"as in\n\n    check -c x\n    .y": "as in\n.Bd -literal -offset indent\n    check -c x\n    .y\n.Ed\n",
	} {
		if got := text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestCommands: whatever commands the program gets, they and their flags find
// their way into the page.
func TestCommands(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "smtpreceiver", Short: "Do things", Long: "It does things."}
	service := &cobra.Command{Use: "service", Short: "Run as a service"}
	run := func(*cobra.Command, []string) {}
	service.AddCommand(&cobra.Command{Use: "install", Short: "Install it", Run: run})
	explain := &cobra.Command{Use: "explain --from ADDRESS [FILE | -] NAME...", Short: "Explain", Example: "  explain x\n", Run: run}
	explain.Flags().StringP("from", "f", "", "the sender's `address`")
	explain.Flags().Bool("json", false, "for programs")
	if err := explain.MarkFlagRequired("from"); err != nil {
		t.Fatal(err)
	}
	root.AddCommand(service, explain, &cobra.Command{Use: "secret", Hidden: true, Run: run})
	page, err := Program(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n.Nm smtpreceiver\n.Cm \"\\&explain\"\n.Fl Fl from Ar \"\\&address\"\n.Op Fl Fl json\n.Op Ar \"\\&FILE|-\"\n.Ar \"\\&NAME\"\n.No ...\n",
		"\n.Nm smtpreceiver\n.Cm \"\\&service install\"\n",
		"\n.It Fl f , Fl Fl from Ar \"\\&address\"\nThe sender's address.\n",
		"\n.Nd do things\n", "\nInstall it.\n", "\n  explain x\n.Ed\n",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("without %q:\n%s", want, page)
		}
	}
	if strings.Contains(string(page), "secret") {
		t.Error("a hidden command is shown")
	}
}
