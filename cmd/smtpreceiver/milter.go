package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"

	"github.com/spf13/cobra"

	"smtpreceiver/core"
	"smtpreceiver/core/config"
	"smtpreceiver/core/metrics"
	"smtpreceiver/core/socket"
	"smtpreceiver/milter"
)

func (a *app) milter() *cobra.Command {
	return a.withConfig(&cobra.Command{
		Use:   "milter",
		Short: "Run the milter for Postfix or Sendmail",
		Long: `milter serves the milter protocol on milter.listen: it diverts the recipients
that an application takes and leaves all other mail to the mail server. With
milter.policy_listen it also tells Postfix beforehand which recipients it would
refuse.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c, milterKind) },
	})
}

var milterKind = kind{
	name: "milter",
	listen: func(s *config.Settings) ([]net.Listener, error) {
		l, err := socket.Listen(milterSocket(s))
		if err != nil {
			return nil, fmt.Errorf("milter.listen: %w", err)
		}
		return []net.Listener{l}, nil
	},
	asked: questions{
		key: "milter.policy_listen", about: metrics.Milter,
		socket: func(s *config.Settings) socket.Socket { return milterSocketAt(s, s.Milter.PolicyListen) },
	},
	build: func(r *core.Receiver, s *config.Settings, log *slog.Logger) (frontend, func(*config.Settings)) {
		milter.RouteLibraryLog(log)
		server := milter.NewServer(r, milterOptions(s), log)
		return server, func(s *config.Settings) { server.Reload(milterOptions(s)) }
	},
}

func milterOptions(s *config.Settings) milter.Options {
	return milter.Options{Timeout: s.Milter.Timeout}
}

func milterSocket(s *config.Settings) socket.Socket { return milterSocketAt(s, s.Milter.Listen) }

func milterSocketAt(s *config.Settings, spec string) socket.Socket {
	return socket.Socket{Spec: spec, Mode: os.FileMode(s.Milter.SocketMode), Group: s.Milter.SocketGroup}
}
