package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"smtpreceiver/cmd/smtpreceiver/terminal"
	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume/targets"
	"smtpreceiver/core/machine"
	"smtpreceiver/core/rules"
	"smtpreceiver/core/socket"
)

func (a *app) check() *cobra.Command {
	return a.withConfig(&cobra.Command{
		Use:   "check",
		Short: "Validate the configuration; list every problem",
		Long: `check reads the configuration as the services would, environment included, and
lists everything that is wrong with it, each with its key and what would be
right. Exit status 0: nothing is wrong; then a summary follows: what listens
where, who may connect, what becomes of the mail.`,
		RunE: func(c *cobra.Command, _ []string) error {
			settings, file, err := a.load()
			var problems config.Problems
			if err != nil && !errors.As(err, &problems) {
				return err
			}
			var warnings []string
			if settings != nil {
				warnings = append(validate(settings, &problems), settings.ChangedDefaults()...)
				warnings = append(warnings, settings.Exposed()...)
				warnings = append(warnings, machine.CheckOwners(settings)...)
				warnings = append(warnings, rules.CheckHosts(c.Context(), settings)...)
				if len(problems) == 0 {
					problems.Merge(machine.CheckQueue(c.Context(), settings))
				}
			}
			out := c.OutOrStdout()
			for _, w := range warnings {
				fmt.Fprintln(out, "warning:", w)
			}
			for _, p := range problems {
				fmt.Fprintln(out, p)
			}
			read := cmp.Or(file, "configuration")
			if settings != nil {
				read = settings.Source()
			}
			if len(problems) > 0 {
				fmt.Fprintf(out, "%s: problems: %d\n", read, len(problems))
				return errSaid
			}
			fmt.Fprintf(out, "%s: no problems\n\n", read)
			return terminal.Summary(out, settings)
		},
	})
}

// load reads the configuration from --config or the usual places, and the
// environment.
func (a *app) load() (settings *config.Settings, file string, err error) {
	settings, file, err = config.Load(config.Source{File: a.configFile, Environ: os.Environ()})
	if a.configFile == "" {
		if other := config.Hidden(file); other != "" {
			fmt.Fprintf(a.stderr(), "warning: %s of this folder is read, not %s\n", file, other)
		}
	}
	return settings, file, err
}

// validate asks every part of the program what it thinks of settings, and adds
// to problems what it finds.
func validate(s *config.Settings, problems *config.Problems) (warnings []string) {
	found, warnings := core.Check(s)
	problems.Merge(found)
	warnings = append(warnings, checkSockets(s, problems)...)
	warnings = append(warnings, targets.Check(s, problems)...)
	s.Locate(*problems)
	return warnings
}

// place is a key that says where a service listens.
type place struct {
	key    string
	socket socket.Socket
}

// checkSockets tells of sockets that cannot be opened, or not all by one service.
func checkSockets(s *config.Settings, problems *config.Problems) (warnings []string) {
	metrics := []place{{"metrics.listen", metricsSocket(s)}}
	milter := []place{{"milter.listen", milterSocket(s)}, {milterKind.asked.key, milterKind.asked.socket(s)}}
	lmtp := []place{{"lmtp.listen", lmtpSocket(s)}, {standaloneKind.asked.key, standaloneKind.asked.socket(s)}}
	for _, at := range slices.Concat(metrics, milter, lmtp) {
		if at.socket.Spec == "" {
			continue
		}
		if err := at.socket.Check(); err != nil {
			problems.Add(at.key, err.Error(), "")
		} else if err := at.socket.CheckGroup(); err != nil { // the other services run all the same
			warnings = append(warnings, at.key+": "+err.Error()+": the service that opens this socket does not start")
		}
	}
	port := func(key string, n int) place {
		return place{key, socket.Socket{Spec: "inet:" + net.JoinHostPort(cmp.Or(s.SMTPIPAddress, "0.0.0.0"), strconv.Itoa(n))}}
	}
	smtp := []place{port("smtp_port", s.SMTPPort), port("tls.port", s.TLS.Port)}
	for _, together := range [][]place{slices.Concat(metrics, milter), slices.Concat(smtp, metrics, lmtp)} {
		keys := map[string]string{}
		for _, at := range together {
			_, address, err := at.socket.Target()
			if err != nil {
				address = at.socket.Spec
			}
			if address == "" || strings.HasSuffix(address, ":0") { // none, or any port
				continue
			}
			if other := keys[address]; other != "" {
				problems.Merge(config.Problems{{Key: at.key, What: "the same as " + other, Remedy: "write another place"}})
			}
			keys[address] = at.key
		}
	}
	return warnings
}

// valid is the error of settings that must not be run.
func valid(s *config.Settings) error {
	var problems config.Problems
	validate(s, &problems)
	return problems.Err()
}
