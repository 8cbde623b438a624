// Package hylafax hands jobs to HylaFAX: makes the documents of a fax, runs sendfax,
// and finds the fax again by faxstat.
package hylafax

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"smtpreceiver/core/codepage"
	"smtpreceiver/core/config"
	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/pages"
	"smtpreceiver/core/consume/targets/fields"
	"smtpreceiver/core/consume/targets/program"
	"smtpreceiver/core/ctl"
	"smtpreceiver/core/dearchive"
)

// doneKept is how long HylaFAX remembers a job that is done, at least: faxqclean
// leaves it in doneq for that time.
const doneKept = 15 * time.Minute

// maxConverted is how many files and folders a converter may make, those of its own
// settings among them.
const maxConverted = 10_000

// unreachable is what sendfax says if it never had a connection.
const unreachable = "Can not reach serv" // er, or ice

// Target hands jobs to HylaFAX by sendfax. The job's key is the tag of the job
// there, by which faxstat finds it again.
type Target struct {
	Server      string   // host or host:port; empty: what sendfax knows
	Arguments   []string // more for sendfax
	SkipUnknown bool     // attachments that cannot be faxed are left out
	Cover       bool     // its cover page in front
	Pages       pages.Maker
}

// New makes the target of a consumer. missing are its converters that are not
// installed here.
func New(c *config.Consumer) (h *Target, missing map[string]error, err error) {
	h = &Target{Server: c.Server, Arguments: c.Arguments, SkipUnknown: c.SkipUnknown, Cover: c.Cover}
	h.Pages.Converters.Limits = dearchive.Limits{
		Timeout: c.ConvertTimeout, MaxSize: c.ConvertMaxSize, MaxFiles: maxConverted, MaxMemory: c.ConvertMaxMemory,
	}
	missing = map[string]error{}
	var errs []error
	for _, extension := range slices.Sorted(maps.Keys(c.Convert)) {
		lacks, err := h.Pages.AddConverter(extension, c.Convert[extension])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", extension, err))
		}
		if lacks != nil {
			missing[extension] = lacks
		}
	}
	return h, missing, errors.Join(errs...)
}

// Prepare implements consume.Target: it makes the documents, and notes their names.
func (h *Target) Prepare(ctx context.Context, j *consume.Job) (note string, err error) {
	if _, err := fields.Fax(j.Number); err != nil {
		return "", err
	}
	scratch, err := j.Scratch()
	if err != nil {
		return "", err
	}
	names, err := h.documents(ctx, j, scratch)
	return strings.Join(names, " "), err
}

// Submit implements consume.Target.
func (h *Target) Submit(ctx context.Context, j *consume.Job) error {
	number, err := fields.Fax(j.Number)
	if err != nil {
		return err
	}
	scratch, err := j.Scratch()
	if err != nil {
		return err
	}
	argv := h.sendfax(j, number)
	for _, name := range strings.Fields(j.Noted()) {
		argv = append(argv, filepath.Join(scratch, name))
	}
	_, err = program.Run(ctx, j, []string{"LC_MESSAGES=C"}, argv...)
	var ended *program.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	// sendfax may have failed after the server took the job.
	switch answer, asked := h.Has(ctx, j); {
	case asked != nil && !strings.Contains(ended.Said, unreachable):
		return consume.Uncertain(errors.Join(err, asked))
	case answer == consume.Yes:
		return nil
	}
	return err
}

// sendfax is the command without the documents.
func (h *Target) sendfax(j *consume.Job, number string) []string {
	argv := append([]string{"sendfax", "-i", j.Key, "-f", h.sender(j)}, h.server()...)
	switch level, err := strconv.Atoi(j.Priority); {
	case j.Priority == "high", j.Priority == "low", err == nil && level >= 0 && level <= 255:
		argv = append(argv, "-P", j.Priority)
	}
	if j.Report == "1" || strings.Contains(j.Notify, "SUCCESS") {
		argv = append(argv, "-D")
	}
	told := [][2]string{{"-x", j.Company}}
	if h.Cover { // which has a place for each company, and for where in it
		told = append(told, [][2]string{{"-y", j.Dept}, {"-X", j.FromCompany}, {"-Y", j.FromDept}, {"-r", j.Subject}}...)
	} else {
		argv = append(argv, "-n")
	}
	for _, option := range told {
		if value := h.words(option[1]); value != "" {
			argv = append(argv, option[0], value)
		}
	}
	destination := number
	if name := h.words(j.Name); name != "" {
		destination = name + "@" + number
	}
	argv = append(argv, h.Arguments...)
	// RFC 3461 section 4.1: who gave NOTIFY without FAILURE does not hear of one. Of the
	// options for mail the last counts.
	if j.Notify != "" && !strings.Contains(j.Notify, "FAILURE") && !strings.Contains(j.Notify, "SUCCESS") {
		argv = append(argv, "-N")
	}
	return append(argv, "-d", destination)
}

// words is a value as HylaFAX reads it: its cover page knows the letters of Western
// Europe only, and no UTF-8.
func (h *Target) words(value string) string {
	page, err := codepage.Lookup("iso-8859-1")
	if err != nil || !h.Cover {
		return plain(value, "@")
	}
	value = page.Decode(page.Encode(value)) // “ becomes "
	return string(page.Encode(plain(value, "@")))
}

func (h *Target) server() []string {
	if h.Server == "" {
		return nil
	}
	return []string{"-h", h.Server}
}

// sender is who gets HylaFAX's reports. Where that cannot be the sender it is the user
// of the consumer, on the machine of HylaFAX.
func (h *Target) sender(j *consume.Job) string {
	address, name := j.FromSMTP, h.words(j.FromName)
	switch known := mailable(address); {
	case !known && (address == "" || name == ""): // the null sender, mostly
		return "smtpreceiver"
	case !known:
		address = "smtpreceiver"
	case name == "":
		return address
	}
	return name + " <" + address + ">"
}

// mailable tells an address that gets through sendfax as it is.
func mailable(address string) bool {
	return address != "" && address == plain(address, "") && !strings.Contains(address, " ")
}

// sendfaxValues are the options of sendfax that have a value.
const sendfaxValues = "aBbcCdfFhiIkMoPrsStTUVWxXyYzZ"

// Tells says whether HylaFAX mails the sender what becomes of a fax that it has.
// It cannot where the address does not get through sendfax, and does not where arguments
// say that nobody, or somebody else, is mailed.
func Tells(arguments []string, j *ctl.Job) bool {
	return mailable(j.FromSMTP) && !Silenced(arguments)
}

// Silenced tells arguments with which HylaFAX does not mail the sender.
func Silenced(arguments []string) (silent bool) {
	for i := 0; i < len(arguments); i++ {
		letters, isOption := strings.CutPrefix(arguments[i], "-")
		if !isOption {
			continue
		}
		for at, letter := range letters {
			switch letter {
			case 'N':
				silent = true
			case 'D', 'R':
				silent = false
			case 'f':
				return true
			}
			if strings.ContainsRune(sendfaxValues, letter) {
				if at == len(letters)-1 {
					i++
				}
				break
			}
		}
	}
	return silent
}

// plain leaves out what has a meaning in destinations, mail addresses and the
// line protocol of HylaFAX.
func plain(s, more string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || strings.ContainsRune(`#<>()"\%;`+more, r) {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// Has implements consume.Target: it looks for the job's key among the jobs that
// wait, are done, or are archived.
func (h *Target) Has(ctx context.Context, j *consume.Job) (consume.Answer, error) {
	scratch, err := j.Scratch()
	if err != nil {
		return consume.Unknown, err
	}
	// faxstat takes its format from ~/.hylarc only; the user's own may name the server.
	own, err := os.ReadFile(filepath.Join(os.Getenv("HOME"), ".hylarc"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return consume.Unknown, err
	}
	format := append(own, "\nJobFmt: \"%J|\"\n"...)
	if err := os.WriteFile(filepath.Join(scratch, ".hylarc"), format, 0o600); err != nil {
		return consume.Unknown, err
	}
	output, err := program.Run(ctx, j, []string{"HOME=" + scratch}, append([]string{"faxstat", "-s", "-d", "-a"}, h.server()...)...)
	if err == nil && !strings.Contains(output, "HylaFAX scheduler") {
		err = fmt.Errorf("faxstat gives no status: it says: %s", cmp.Or(fields.LastWords(output), "nothing"))
	}
	switch {
	case err != nil:
		return consume.Unknown, err
	case strings.Contains(output, j.Key+"|"):
		return consume.Yes, nil
	case len(output) == program.MaxOutput:
		return consume.Unknown, errors.New("faxstat lists more jobs than can be looked through")
	case !j.Begun.IsZero() && time.Since(j.Begun) > doneKept:
		return consume.Unknown, nil
	}
	return consume.No, nil
}
