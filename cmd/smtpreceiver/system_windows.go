package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
	"golang.org/x/sys/windows/svc/mgr"

	"smtpreceiver/core/config"
)

// serviceAccount is the service's own account, which Windows makes. It has no
// password, and no right but those it is given.
const serviceAccount = `NT SERVICE\` + serviceName

// systemCommands are those of this system alone.
func (a *app) systemCommands() []*cobra.Command {
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Install or remove the Windows service",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	cmd.AddCommand(a.withConfig(&cobra.Command{
		Use:   "install",
		Short: "Install the SMTP listener as a Windows service",
		Long: `install checks the configuration, makes the service smtpreceiver, which runs
standalone with it at each start of the system and again when it fails, and
registers the source of its events. The service runs under an account of its
own, ` + serviceAccount + `, and needs access to its folders: install prints the
commands that grant it. It does not start the service; sc start smtpreceiver
does. sc control smtpreceiver paramchange has it read its configuration again.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.installService(c.OutOrStdout(), c.ErrOrStderr())
		},
	}), &cobra.Command{
		Use:   "remove",
		Short: "Stop and remove the Windows service",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return removeService(c.Context()) },
	})
	return []*cobra.Command{cmd}
}

// installService adds the service for the configuration that standalone would
// read now.
func (a *app) installService(stdout, stderr io.Writer) error {
	settings, file, err := a.load()
	if err != nil {
		return err
	}
	if err := valid(settings); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if file, err = filepath.Abs(file); err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	m, err := connectSCM()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	config := mgr.Config{
		DisplayName:      "SMTPreceiver",
		Description:      "Receives mail for fax and SMS by SMTP and leaves it as jobs for their servers.",
		StartType:        mgr.StartAutomatic,
		ErrorControl:     mgr.ErrorNormal,
		ServiceStartName: serviceAccount,
	}
	s, err := m.CreateService(serviceName, program, config, "standalone", "--config", file)
	if errors.Is(err, windows.ERROR_SERVICE_EXISTS) {
		return fmt.Errorf("the service %s is installed already; smtpreceiver service remove removes it", serviceName)
	}
	if err != nil {
		return fmt.Errorf("create the service %s: %w", serviceName, err)
	}
	defer s.Close()
	for _, err := range equip(s) {
		fmt.Fprintln(stderr, "warning:", err)
	}
	fmt.Fprintf(stdout, "The service %s is installed. Give it access to its files, then start it:\n", serviceName)
	for _, folder := range writtenFolders(settings) {
		fmt.Fprintf(stdout, "  icacls \"%s\" /grant \"%s\":(OI)(CI)M\n", folder, serviceAccount)
	}
	fmt.Fprintf(stdout, "  icacls \"%s\" /grant \"%s\":R\n  sc start %s\n", file, serviceAccount, serviceName)
	return nil
}

// equip adds what the service works without: a start after the services that
// others wait for, starts after failures, a source of events.
func equip(s *mgr.Service) (failed []error) {
	try := func(what string, err error) {
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
		}
	}
	config, err := s.Config()
	if err == nil {
		config.DelayedAutoStart = true
		err = s.UpdateConfig(config)
	}
	try("delayed start", err)
	again := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	const forgotten = 24 * 60 * 60 // seconds after which failures count from the first again
	try("recovery actions", s.SetRecoveryActions([]mgr.RecoveryAction{
		again(5 * time.Second), again(time.Minute), again(5 * time.Minute)}, forgotten))
	// An end with an error that we report ourselves is a failure too.
	try("recovery actions for errors", s.SetRecoveryActionsOnNonCrashFailures(true))
	_ = eventlog.Remove(serviceName) // left from an earlier installation
	try("event source "+serviceName, eventlog.InstallAsEventCreate(serviceName, eventlog.Error|eventlog.Warning|eventlog.Info))
	return failed
}

// writtenFolders are the folders in which the service writes.
func writtenFolders(s *config.Settings) []string {
	folders := []string{filepath.Clean(s.StateDirectory)}
	for _, app := range s.Applications {
		if s.Queue.On() {
			break
		}
		folders = append(folders, filepath.Clean(app.OutputFolder))
	}
	if s.LoggingFileName != "" {
		folders = append(folders, filepath.Dir(s.LoggingFileName))
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// removeService stops the service and removes it with its event source.
func removeService(ctx context.Context) error {
	m, err := connectSCM()
	if err != nil {
		return err
	}
	defer m.Disconnect()
	s, err := m.OpenService(serviceName)
	if err != nil {
		return fmt.Errorf("the service %s: %w", serviceName, err)
	}
	defer s.Close()
	if err := stopService(ctx, s); err != nil {
		return fmt.Errorf("stop the service %s: %w", serviceName, err)
	}
	if err := s.Delete(); err != nil {
		return fmt.Errorf("remove the service %s: %w", serviceName, err)
	}
	if err := eventlog.Remove(serviceName); err != nil && !errors.Is(err, windows.ERROR_FILE_NOT_FOUND) {
		return fmt.Errorf("remove the event source %s: %w", serviceName, err)
	}
	return nil
}

// stopService returns when the service has stopped, for which it may take as
// long as it says.
func stopService(ctx context.Context, s *mgr.Service) error {
	status, err := s.Control(svc.Stop)
	if errors.Is(err, windows.ERROR_SERVICE_NOT_ACTIVE) {
		return nil
	}
	for began := time.Now(); err == nil && status.State != svc.Stopped; status, err = s.Query() {
		if hint := time.Duration(status.WaitHint) * time.Millisecond; time.Since(began) > hint+stopMargin {
			return fmt.Errorf("still not stopped after %s", time.Since(began).Round(time.Second))
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return err
}

func connectSCM() (*mgr.Mgr, error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, fmt.Errorf("connect to the Service Control Manager: %w: run this as administrator", err)
	}
	return m, nil
}
