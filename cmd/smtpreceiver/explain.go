package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/standalone/wire"
)

// mailFlags are the flags of explain.
type mailFlags struct {
	from, client, user string
	rcpts              []string
	milter, policy     bool
	local, json        bool
}

func (a *app) explain() *cobra.Command {
	var f mailFlags
	cmd := a.withConfig(&cobra.Command{
		Use:   "explain --from ADDRESS --rcpt ADDRESS... [FILE.eml | -]",
		Short: "Say what would become of a mail, and why",
		Long: `explain says, without doing it, which application takes each recipient and why
(or why not, rule by rule), and with a message (a file, or - for standard input)
prints the CTL and the text that would be written. It is the code that real mail
goes through, run in a temporary folder: no spool, state directory or forward
server is touched. Numbers of jobs are placeholders, and what already counts for
limits on jobs is not known.

Exit status 0: every recipient would be taken or passed on. 1: something would
be refused, or the configuration is bad. 2: wrong usage.`,
		Example: `  smtpreceiver explain --from eva@example.com --rcpt +420603123456@sms
  smtpreceiver explain --from '<>' --rcpt 61388454@fax --client 192.0.2.7 --milter bounce.eml`,
		RunE: func(c *cobra.Command, args []string) error { return a.explainMail(c, f, args) },
	})
	cmd.Args = func(c *cobra.Command, args []string) error { return f.check(c, args) }
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "envelope sender; <> is the null sender")
	flags.StringArrayVar(&f.rcpts, "rcpt", nil, "envelope recipient; may be given several times")
	flags.StringVar(&f.client, "client", "127.0.0.1", "IP address of the client that hands in the mail")
	flags.StringVar(&f.user, "user", "", "user name that the client has authenticated by")
	flags.BoolVar(&f.milter, "milter", false, "explain what the milter would do, not the SMTP listener")
	flags.BoolVar(&f.policy, "policy", false, "explain what lmtp.policy_listen tells Postfix of the recipients, or with --milter what milter.policy_listen does")
	flags.BoolVar(&f.local, "local", false, "with --milter: handed in by the local sendmail command")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// check finds wrong usage.
func (f *mailFlags) check(c *cobra.Command, args []string) error {
	client, err := netip.ParseAddr(f.client)
	switch {
	case !c.Flags().Changed("from"):
		return usageError{errors.New("explain needs --from; --from '<>' is the null sender")}
	case len(f.rcpts) == 0:
		return usageError{errors.New("explain needs at least one --rcpt")}
	case err != nil:
		return usageError{fmt.Errorf("--client %q is no IP address", f.client)}
	case f.local && !f.milter:
		return usageError{errors.New("--local is for --milter only")}
	case f.local && !client.IsLoopback():
		return usageError{errors.New("--local takes no --client: the sendmail command hands in from this machine")}
	case f.policy && f.local:
		return usageError{errors.New("--local has no meaning with --policy: Postfix asks of what comes by SMTP")}
	case f.policy && len(args) > 0:
		return usageError{errors.New("--policy takes no message: Postfix asks before there is one")}
	case len(args) > 1:
		return usageError{fmt.Errorf("explain takes one message, not %d", len(args))}
	}
	return nil
}

func (a *app) explainMail(c *cobra.Command, f mailFlags, args []string) error {
	settings, file, err := a.load()
	if err != nil {
		return err
	}
	addr, err := netip.ParseAddr(f.client)
	if err != nil {
		return err
	}
	q := core.Question{
		Milter: f.milter, Policy: f.policy, Sender: f.from, Recipients: f.rcpts,
		Client: core.Client{Addr: addr.Unmap().WithZone(""), User: f.user, Local: f.local},
	}
	if len(args) > 0 {
		in, err := openMessage(c, args[0])
		if err != nil {
			return err
		}
		defer in.Close()
		if q.Message = messageFile(in); !f.milter {
			q.Message = wire.File(q.Message, standaloneOptions(settings).BareNewlines)
		}
	}
	e, err := core.Explain(c.Context(), settings, q)
	var problems config.Problems
	if errors.As(err, &problems) {
		return fmt.Errorf("%s: %w", file, problems)
	}
	if err != nil {
		return err
	}
	if f.json {
		out := json.NewEncoder(c.OutOrStdout())
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		err = out.Encode(e)
	} else {
		err = terminal.Explanation(c.OutOrStdout(), e)
	}
	if err == nil && !e.OK() {
		return errSaid
	}
	return err
}

// openMessage opens a file, or standard input, reading of which ends with the
// context: an interrupted explain must still tidy up.
func openMessage(c *cobra.Command, name string) (io.ReadCloser, error) {
	if name != "-" {
		return os.Open(name)
	}
	r, w := io.Pipe()
	go func() {
		_, err := io.Copy(w, c.InOrStdin())
		w.CloseWithError(err)
	}()
	context.AfterFunc(c.Context(), func() { w.CloseWithError(errors.New("interrupted")) })
	return r, nil
}
