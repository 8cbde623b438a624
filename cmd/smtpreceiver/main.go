// Command smtpreceiver puts fax and SMS behind a mail server: as an SMTP
// listener of its own (standalone) or attached to Postfix or Sendmail
// (milter). This package wires the parts; it decides nothing about mail.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit status, as in the manual: 0 ended as asked.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// errSaid is a failure that has been told to the user already.
var errSaid = errors.New("failed")

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "smtpreceiver: %v\nRun 'smtpreceiver --help' for the commands.\n", err)
		return exitUsage
	case !errors.Is(err, errSaid):
		fmt.Fprintf(stderr, "smtpreceiver: %v\n", err)
	}
	return exitFailed
}

// app is what the commands share.
type app struct {
	configFile string
	stderr     func() io.Writer
}

func root() *cobra.Command {
	a := new(app)
	cmd := &cobra.Command{
		Use:   "smtpreceiver",
		Short: "Turn mail to fax and SMS addresses into spool jobs",
		Long: `smtpreceiver takes the recipients that a fax or SMS server serves out of the
mail stream and leaves one job for each in a folder. All other mail goes on.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	a.stderr = cmd.ErrOrStderr
	cmd.CompletionOptions.HiddenDefaultCmd = true
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	cmd.AddCommand(a.standalone(), a.milter(), a.demo(), a.consume(), a.check(), a.explain(), a.status(), a.jobs(), importRegistry(), hashPassword(), version())
	cmd.AddCommand(a.systemCommands()...)
	return cmd
}

func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, and there is no command %q", c.CommandPath(), args[0])}
	}
	return nil
}

// withConfig adds the flag of the commands that read a configuration.
func (a *app) withConfig(c *cobra.Command) *cobra.Command {
	c.Args = noArgs
	c.Flags().StringVarP(&a.configFile, "config", "c", "", "configuration `file` (YAML, TOML or JSON)")
	return c
}
