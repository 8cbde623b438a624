package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminals keeps terminals open until the process ends: a command that was
// interrupted still reads from its own.
var terminals struct {
	sync.Mutex
	open []*os.File
}

// pseudoTerminal is a terminal, and the end of it where somebody types.
func pseudoTerminal(t *testing.T) (terminal, keyboard *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	terminals.Lock()
	defer terminals.Unlock()
	terminals.open = append(terminals.open, terminal)
	return terminal, keyboard
}

func echoes(t *testing.T, terminal *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// TestHashPasswordAtTerminal types when asked, and only when the terminal has
// ceased to show what is typed.
func TestHashPasswordAtTerminal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		typed []string // one for each question; "" interrupts
		says  string   // the error; "" none
	}{
		{"the same twice", []string{"Password: ", "secret", "Again: ", "secret"}, ""},
		{"a slip", []string{"Password: ", "secret", "Again: ", "sceret"}, "the two passwords differ"},
		{"nothing", []string{"Password: ", "\n", "Again: ", "\n"}, "empty"},
		{"interrupted", []string{"Password: ", ""}, "interrupted"},
		{"interrupted later", []string{"Password: ", "secret", "Again: ", ""}, "interrupted"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			terminal, keyboard := pseudoTerminal(t)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			asked, prompt := io.Pipe()
			cmd := hashPassword()
			var hash bytes.Buffer
			cmd.SetIn(terminal)
			cmd.SetOut(&hash)
			cmd.SetErr(prompt)
			cmd.SetArgs(nil)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			ended := make(chan error, 1)
			go func() { ended <- cmd.ExecuteContext(ctx) }()
			for i := 0; i < len(tt.typed); i += 2 {
				question := make([]byte, len(tt.typed[i]))
				if _, err := io.ReadFull(asked, question); err != nil || string(question) != tt.typed[i] {
					t.Fatalf("asked %q, %v; want %q", question, err, tt.typed[i])
				}
				for tries := 0; echoes(t, terminal); tries++ {
					if tries == 10_000 {
						t.Fatal("the terminal shows what is typed")
					}
					time.Sleep(time.Millisecond)
				}
				if tt.typed[i+1] == "" {
					interrupt()
				} else {
					fmt.Fprintln(keyboard, strings.TrimSuffix(tt.typed[i+1], "\n"))
				}
				io.ReadFull(asked, make([]byte, len("\n")))
			}
			err := <-ended
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) || hash.Len() > 0 {
					t.Errorf("%v, printed %q; want an error that says %q", err, &hash, tt.says)
				}
			} else if err != nil {
				t.Error(err)
			} else {
				logIn(t, hash.String(), tt.typed[1])
			}
			if !echoes(t, terminal) {
				t.Error("the terminal is left without echo")
			}
			keyboard.SetReadDeadline(time.Now())
			shown, _ := io.ReadAll(keyboard)
			if strings.Contains(string(shown), "s") {
				t.Errorf("the terminal showed %q", shown)
			}
		})
	}
}
