// Package bench measures smtpreceiver beside its peers, in one run, so that
// the ratios hold on a noisy machine. Each benchmark prints a table.
//
//	go test ./contrib/bench -run '^$' -bench . -benchtime 1x
//
// The flags of this file make it shorter or longer.
package bench

import (
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	rounds   = flag.Int("rounds", 5, "measured runs of each way; every second time in the opposite order")
	duration = flag.Duration("duration", time.Second, "how long a run takes, more or less")
	sessions = flag.String("sessions", "1,5,20,100", "sessions at once")
	sizes    = flag.String("sizes", "2048,2000000", "sizes of the mails, in bytes")
	before   = flag.String("before", "", "an earlier build of smtpreceiver, to be measured beside this one")
)

// load is what a run sends: so many mails of one size, over so many sessions.
type load struct {
	sessions, size int
	reconnect      bool // a connection for each mail
}

// loads are all that the flags ask for.
func loads(b *testing.B) (list []load) {
	for _, size := range numbers(b, *sizes) {
		for _, n := range numbers(b, *sessions) {
			list = append(list, load{sessions: n, size: size})
		}
	}
	return list
}

func numbers(b *testing.B, list string) (all []int) {
	b.Helper()
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		must(b, err)
		all = append(all, n)
	}
	return all
}

// target is a way of which the rate is wanted.
type target struct {
	name   string
	send   func(b *testing.B, l load, mails int) // all of them; returns when the last is answered
	pids   func() []int                          // the processes whose memory counts; nil: none
	settle func(b *testing.B)                    // what is to be done after each run, outside the clock; may be nil

	rates map[load][]float64 // mails per second, one for each round
	peaks map[load][]float64 // MiB
	costs map[load][]float64 // milliseconds of processor time for each mail
}

// by sends with smtp-source(1) to a server that takes mail for to.
func by(addr, to string) func(*testing.B, load, int) {
	return func(b *testing.B, l load, mails int) {
		args := []string{"-s", strconv.Itoa(l.sessions), "-m", strconv.Itoa(mails), "-l", strconv.Itoa(l.size), "-f", "petr@example.com", "-t", to, addr}
		if !l.reconnect {
			args = append([]string{"-d"}, args...)
		}
		if out, err := exec.Command("smtp-source", args...).CombinedOutput(); err != nil {
			b.Fatalf("smtp-source %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// compare measures all targets under each load, round by round.
func compare(b *testing.B, targets []*target, loads []load) {
	for _, l := range loads {
		mails := make(map[*target]int)
		for _, t := range targets {
			if t.rates == nil {
				t.rates, t.peaks, t.costs = map[load][]float64{}, map[load][]float64{}, map[load][]float64{}
			}
			// Probing warms up too.
			for probe := l.sessions; ; probe *= 4 {
				if took := t.run(b, l, probe); took.time > *duration/5 {
					mails[t] = max(l.sessions, int(took.rate(probe)*duration.Seconds()))
					break
				}
			}
		}
		for round := range *rounds {
			order := slices.Clone(targets)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, t := range order {
				took := t.run(b, l, mails[t])
				t.rates[l] = append(t.rates[l], took.rate(mails[t]))
				t.peaks[l] = append(t.peaks[l], took.peak)
				t.costs[l] = append(t.costs[l], 1000*took.cpu.Seconds()/float64(mails[t]))
			}
		}
	}
}

// measured is what a run took.
type measured struct {
	time time.Duration
	cpu  time.Duration
	peak float64 // MiB
}

func (m measured) rate(mails int) float64 { return float64(mails) / m.time.Seconds() }

func (t *target) run(b *testing.B, l load, mails int) (m measured) {
	if t.pids != nil {
		forgetPeak(t.pids())
		m.cpu = -processorTime(t.pids())
	}
	begun := time.Now()
	t.send(b, l, mails)
	m.time = time.Since(begun)
	if t.pids != nil {
		m.cpu += processorTime(t.pids())
		m.peak = peakMemory(t.pids())
	}
	if t.settle != nil {
		t.settle(b)
	}
	return m
}

func (t *target) rate(l load) float64 { return median(t.rates[l]) }

// report prints the rates, the processor time, which other work on the machine
// changes less, the memory, and what the first target's rate is of
// that of each other one.
func report(title string, targets []*target, loads []load) {
	fmt.Printf("\n%s: %d rounds of about %v\n", title, *rounds, *duration)
	table := func(what string, targets []*target, value func(*target, load) string) {
		fmt.Printf("\n%-44s", what)
		for _, l := range loads {
			fmt.Printf(" %10s", fmt.Sprintf("%d×%s", l.sessions, short(l.size)))
		}
		fmt.Println()
		for _, t := range targets {
			fmt.Printf("%-44s", t.name)
			for _, l := range loads {
				fmt.Printf(" %10s", value(t, l))
			}
			fmt.Println()
		}
	}
	table("mails/s", targets, func(t *target, l load) string { return fmt.Sprintf("%.0f", t.rate(l)) })
	table("rate of "+targets[0].name+" over", targets[1:], func(t *target, l load) string {
		return fmt.Sprintf("%.2f", targets[0].rate(l)/t.rate(l))
	})
	processes := slices.DeleteFunc(slices.Clone(targets), func(t *target) bool { return t.pids == nil })
	table("processor time, ms a mail", processes, func(t *target, l load) string { return fmt.Sprintf("%.3f", median(t.costs[l])) })
	table("peak memory, MiB", processes,
		func(t *target, l load) string { return fmt.Sprintf("%.0f", median(t.peaks[l])) })
	fmt.Println()
}

// short is a size as people say it.
func short(size int) string {
	switch {
	case size >= 1e6:
		return fmt.Sprintf("%dMB", size/1e6)
	case size >= 1e3:
		return fmt.Sprintf("%dkB", size/1e3)
	}
	return fmt.Sprintf("%dB", size)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
