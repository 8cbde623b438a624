//go:build linux

package main

import (
	"strings"
	"testing"
)

// TestSamePlaceTwice: check refuses what one service could not open, and warns of a group
// that this machine does not have: only the service that opens its socket needs it.
func TestSamePlaceTwice(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"lmtp: {listen: 'unix:/run/x', policy_listen: 'unix:/run/x'}":                 "\nlmtp.policy_listen: the same as lmtp.listen",
		"milter: {listen: 'inet:127.0.0.1:1'}\nmetrics: {listen: 'inet:127.0.0.1:1'}": "\nmilter.listen: the same as metrics.listen",
		"lmtp: {listen: 'inet:127.0.0.1:1'}\nmetrics: {listen: 'inet:127.0.0.1:1'}":   "\nlmtp.listen: the same as metrics.listen",
		"lmtp: {listen: 'unix:/run/x', policy_listen: 'local:/run/x'}":                "\nlmtp.policy_listen: the same as lmtp.listen",
		"milter: {listen: 'inet:1@127.0.0.1'}\nmetrics: {listen: 'inet:0.0.0.0:1'}":   "\nmilter.listen: the same as metrics.listen",
		"tls: {port: 1}\nlmtp: {listen: 'inet:127.0.0.1:1'}":                          "\nlmtp.listen: the same as tls.port",
		"milter: {policy_listen: 'fd:a', listen: 'fd:a'}":                             "\nmilter.policy_listen: the same as milter.listen",
		"milter: {policy_listen: /run/y}":                                             "\nmilter.policy_listen: \"/run/y\": write",
		"lmtp: {listen: 'unix:/run/x', socket_group: nosuchgroup}":                    "warning: lmtp.listen: socket_group: group: unknown group nosuchgroup",
		"milter: {policy_listen: 'unix:/run/y', socket_group: nosuchgroup}":           "warning: milter.policy_listen: socket_group: group: unknown group nosuchgroup",
		"lmtp: {listen: 'inet:127.0.0.1:1', socket_group: nosuchgroup}":               "",
		"lmtp: {listen: 'unix:/run/x'}\nmilter: {listen: 'unix:/run/x'}":              "",
		"milter: {listen: 'inet:127.0.0.1:0'}\nmetrics: {listen: 'inet:127.0.0.1:0'}": "",
		"milter: {listen: 'inet:0@127.0.0.1', policy_listen: 'inet:0@127.0.0.1'}":     "",
		"milter: {listen: 'fd:a', policy_listen: 'fd:b'}":                             "",
	} {
		r := newReceiver(t, settings)
		status, stdout, _ := runCommand(t, r.dir, nil, "check")
		if (status == 0) != !strings.HasPrefix(want, "\n") || !strings.Contains("\n"+stdout, want) || want == "" && strings.Contains(stdout, "listen: ") {
			t.Errorf("%s: exit status %d\n%s", settings, status, stdout)
		}
	}
}
