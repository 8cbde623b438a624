//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestSamePlaceTwice: check refuses what the service could not open.
func TestSamePlaceTwice(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"lmtp: {listen: 'unix:/run/x', policy_listen: 'unix:/run/x'}":                                                  "lmtp.policy_listen: the same as lmtp.listen",
		"milter: {listen: 'inet:127.0.0.1:1'}\nmetrics: {listen: 'inet:127.0.0.1:1'}":                                  "metrics.listen: the same as milter.listen",
		"lmtp: {listen: 'unix:/run/x', socket_group: nosuchgroup}":                                                     "lmtp.listen: socket_group: group: unknown group nosuchgroup",
		"milter: {policy_listen: 'unix:/run/y', socket_group: nosuchgroup}":                                            "milter.policy_listen: socket_group: group: unknown group nosuchgroup",
		"lmtp: {listen: 'unix:/run/x', policy_listen: 'unix:/run/y'}\nmilter: {listen: 'fd:a', policy_listen: 'fd:b'}": "",
	} {
		r := newReceiver(t, settings)
		status, stdout, _ := runCommand(t, r.dir, nil, "check")
		if (status == 0) != (want == "") || !strings.Contains(stdout, want) {
			t.Errorf("%s: exit status %d\n%s", settings, status, stdout)
		}
	}
}
