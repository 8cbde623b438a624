//go:build !windows

package main

import "github.com/spf13/cobra"

// systemCommands are those of this system alone.
func (a *app) systemCommands() []*cobra.Command { return nil }
