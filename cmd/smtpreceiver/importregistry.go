package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/migrate"
	"smtpreceiver/core/migrate/registry"
)

func importRegistry() *cobra.Command {
	var (
		folders  []string
		codePage string
		onlyDiff bool
	)
	c := &cobra.Command{
		Use:   "import-registry FILE.reg",
		Short: "Turn a registry export of the original into a configuration",
		Long: `import-registry reads what regedit exported of the registry of Datasys
SMTPreceiver (HKEY_LOCAL_MACHINE\SOFTWARE\Datasys, on a 64-bit Windows below
SOFTWARE\WOW6432Node), or its input for -, and prints the configuration in YAML.
What has no equivalent is a comment there and a warning on stderr.

With --check it prints instead what would differ from the original, one line
each; exit status 1 if something is not taken over.`,
		Example: `  smtpreceiver import-registry datasys.reg --map 'D:\FaxChange=/srv/fax' > smtpreceiver.yaml
  smtpreceiver import-registry datasys.reg --check`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("%s takes one registry export, or - for its input", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			moved, err := migrate.ParseFolders(folders)
			if err != nil {
				return usageError{fmt.Errorf("--map %w", err)}
			}
			page, err := codepage.Lookup(codePage)
			if err != nil {
				return usageError{fmt.Errorf("--code-page: %w", err)}
			}
			export, err := readExport(c, args[0])
			if err != nil {
				return err
			}
			result, err := migrate.Import(export, migrate.Options{ANSI: page.Decode, Folders: moved})
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if onlyDiff {
				return tellDifferences(c.OutOrStdout(), result)
			}
			for _, n := range result.Notes {
				if n.Kind != migrate.Design {
					fmt.Fprintln(c.ErrOrStderr(), "warning:", n)
				}
			}
			if _, err := c.OutOrStdout().Write(result.YAML); err != nil {
				return err
			}
			if len(result.Unfit) > 0 {
				return fmt.Errorf("the result is no configuration yet: %w", result.Unfit)
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&folders, "map", nil, `where a folder of Windows is now, OLD=NEW; repeatable, the longest OLD wins`)
	c.Flags().StringVar(&codePage, "code-page", "cp1250", "code page of an export that is not in Unicode")
	c.Flags().BoolVar(&onlyDiff, "check", false, "print only what would differ")
	return c
}

func readExport(c *cobra.Command, name string) ([]byte, error) {
	in := c.InOrStdin()
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, registry.MaxSize+1))
}

// tellDifferences prints the notes; it fails if something was lost.
func tellDifferences(out io.Writer, r *migrate.Result) error {
	lost := len(r.Unfit) > 0
	for _, n := range r.Notes {
		lost = lost || n.Kind == migrate.Lost
		fmt.Fprintln(out, n)
	}
	for _, p := range r.Unfit {
		fmt.Fprintln(out, "no configuration yet:", p)
	}
	if lost {
		return errSaid
	}
	return nil
}
