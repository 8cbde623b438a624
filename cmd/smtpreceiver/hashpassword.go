package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"smtpreceiver/core/auth"
)

func hashPassword() *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "Print the hash of a password for authentication.users_file",
		Long: `hash-password reads a password and prints its argon2id hash, for a line
name:hash of authentication.users_file or for the database of the backend sql.
At a terminal it asks for the password twice and does not show it; otherwise the
password is the first line of its input.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			password, err := readPassword(c.Context(), c.InOrStdin(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			hash, err := auth.Hash(password)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), hash)
			return err
		},
	}
}

// readPassword asks for a password where somebody can answer.
func readPassword(ctx context.Context, in io.Reader, prompt io.Writer) (string, error) {
	terminal, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		const most = 64 << 10 // far more than a password may have
		line, err := bufio.NewReader(io.LimitReader(in, most)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
	}
	password, err := ask(ctx, terminal, prompt, "Password: ")
	if err != nil {
		return "", err
	}
	again, err := ask(ctx, terminal, prompt, "Again: ")
	if err == nil && again != password {
		err = errors.New("the two passwords differ")
	}
	return password, err
}

// ask reads a line that is not shown. When ctx ends, as it does when the user
// interrupts, the terminal shows again what is typed.
func ask(ctx context.Context, terminal *os.File, prompt io.Writer, question string) (string, error) {
	fd := int(terminal.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		line []byte
		err  error
	}
	answered := make(chan answer, 1)
	fmt.Fprint(prompt, question)
	defer fmt.Fprintln(prompt)
	go func() {
		line, err := term.ReadPassword(fd)
		answered <- answer{line, err}
	}()
	select {
	case a := <-answered:
		if a.err != nil {
			return "", fmt.Errorf("read the password: %w", a.err)
		}
		return string(a.line), nil
	case <-ctx.Done():
		term.Restore(fd, before)
		return "", errors.New("interrupted")
	}
}
