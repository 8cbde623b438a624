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
	"smtpreceiver/standalone"
	"smtpreceiver/standalone/forward"
)

func (a *app) standalone() *cobra.Command {
	return a.withConfig(&cobra.Command{
		Use:   "standalone",
		Short: "Run the SMTP listener",
		Long: `standalone receives mail by SMTP, spools what an application takes and hands
the rest to forward_smtp_server while the client waits. With lmtp.listen it also
takes fax and SMS from a mail server by LMTP, and with lmtp.policy_listen tells
Postfix beforehand which recipients it would refuse.`,
		RunE: func(c *cobra.Command, _ []string) error { return a.serve(c, standaloneKind) },
	})
}

var standaloneKind = kind{
	name:   "standalone",
	listen: listenStandalone,
	asked: questions{
		key: "lmtp.policy_listen", about: metrics.LMTP,
		socket: func(s *config.Settings) socket.Socket { return lmtpSocketAt(s, s.LMTP.PolicyListen) },
	},
	build: func(r *core.Receiver, s *config.Settings, log *slog.Logger) (frontend, func(*config.Settings)) {
		server := standalone.NewServer(r, standaloneOptions(s), log)
		return server, func(s *config.Settings) { server.Reload(standaloneOptions(s)) }
	},
}

func listenStandalone(s *config.Settings) (listeners []net.Listener, err error) {
	open := func(l net.Listener, err error) error {
		if err == nil {
			listeners = append(listeners, l)
		}
		return err
	}
	if err := open(standalone.Listen(s.SMTPIPAddress, s.SMTPPort)); err != nil {
		return listeners, err
	}
	if s.TLS.Port != 0 {
		if err := open(standalone.ListenTLS(s.SMTPIPAddress, s.TLS.Port)); err != nil {
			return listeners, err
		}
	}
	if s.LMTP.Listen != "" {
		l, err := socket.Listen(lmtpSocket(s))
		if err != nil {
			return listeners, fmt.Errorf("lmtp.listen: %w", err)
		}
		listeners = append(listeners, standalone.LMTP(l))
	}
	return listeners, nil
}

func lmtpSocket(s *config.Settings) socket.Socket { return lmtpSocketAt(s, s.LMTP.Listen) }

func lmtpSocketAt(s *config.Settings, spec string) socket.Socket {
	return socket.Socket{Spec: spec, Mode: os.FileMode(s.LMTP.SocketMode), Group: s.LMTP.SocketGroup}
}

func standaloneOptions(s *config.Settings) standalone.Options {
	return standalone.Options{
		Hostname:                s.HostName(),
		ThreadNum:               s.ThreadNum,
		MaxConnectionsPerClient: s.MaxConnectionsPerClient,
		MaxWaiting:              s.MaxWaiting,
		SocketTimeout:           s.SocketTimeout,
		TransactionTimeout:      s.TransactionTimeout,
		MaxMessageSize:          s.MaxMessageSize,
		MaxRecipients:           s.MaxRecipients,
		BareNewlines:            s.BareNewlines == "accept",
		DSN:                     s.OffersDSN(),
		Forward: forward.Options{
			Servers: s.ForwardServers(), TLS: s.ForwardTLS,
			Username: s.ForwardUsername, Password: s.ForwardPassword,
			CertFile: s.ForwardClientCertFile, KeyFile: s.ForwardClientKeyFile,
		},
		TLS:  standalone.TLS{CertFile: s.TLS.CertFile, KeyFile: s.TLS.KeyFile, MinVersion: s.TLS.MinVersion},
		Auth: standalone.Auth{AllowPlaintext: s.Authentication.AllowPlaintext},
	}
}
