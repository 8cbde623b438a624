package targets

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/targets/fields"
)

// Asterisk hands jobs to Asterisk as call files. The answered call gets to
// extension s of a context, with the job in variables; the dialplan says what
// becomes of it.
type Asterisk struct {
	*Drop          // its outgoing
	Channel string // with {number}
	Context string
}

// NewAsterisk checks what goes into each call file.
func NewAsterisk(a Asterisk) (Asterisk, error) {
	switch {
	case !strings.Contains(a.Channel, "{number}"):
		return a, fmt.Errorf("the channel %q has no {number}", a.Channel)
	case !callValue.MatchString(a.Channel), !callValue.MatchString(a.Context):
		return a, fmt.Errorf("the channel %q or the context %q holds what ends a value in a call file", a.Channel, a.Context)
	}
	return a, nil
}

var (
	callValue = regexp.MustCompile(`^[A-Za-z0-9@/{}:.,_+*-]+$`)
	safePath  = regexp.MustCompile(`^[A-Za-z0-9/._-]+$`)
)

// Prepare implements consume.Target. The call reads the files when it is
// answered, so they are moved to where they stay, and looked at there.
func (a Asterisk) Prepare(_ context.Context, j *consume.Job) (note string, err error) {
	number, err := fields.Fax(j.Number)
	if err != nil {
		return "", err
	}
	folder, err := j.Keep()
	if err != nil {
		return "", err
	}
	for _, name := range j.Files() {
		f, err := j.Open(name)
		if err != nil {
			return "", err
		}
		if err := f.Close(); err != nil {
			return "", err
		}
	}
	content, err := a.callFile(j, folder, number)
	if err != nil {
		return "", err
	}
	return a.prepare(j, j.Key+".call", content)
}

// callFile holds a call that is tried once and then moved to outgoing_done.
// Dialling again is the dialplan's task.
func (a Asterisk) callFile(j *consume.Job, folder, number string) ([]byte, error) {
	text, err := safely(j, folder, j.Text, 0)
	if err != nil {
		return nil, err
	}
	var files []string
	for i, attached := range j.Attachments {
		path, err := safely(j, folder, attached.File, i+1)
		if err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Channel: %s\n", strings.ReplaceAll(a.Channel, "{number}", number))
	fmt.Fprintf(&b, "Context: %s\nExtension: s\nPriority: 1\nMaxRetries: 0\nArchive: yes\n", a.Context)
	for _, v := range [][2]string{
		{"ID", j.Stem}, {"NUMBER", number}, {"NAME", j.Name}, {"FROM", j.FromSMTP}, {"SUBJECT", j.Subject},
	} {
		fmt.Fprintf(&b, "Setvar: SMTPRECEIVER_%s=%s\n", v[0], harmless(v[1]))
	}
	fmt.Fprintf(&b, "Setvar: SMTPRECEIVER_TXT=%s\nSetvar: SMTPRECEIVER_FILES=%s\n", text, strings.Join(files, "&"))
	return []byte(b.String()), nil
}

// harmless leaves letters, digits and a few signs: a dialplan may give the value
// to System() or Eval().
func harmless(value string) string {
	const most = 200
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', strings.ContainsRune("@.+_ -", r):
			return r
		}
		return '_'
	}, value)
	return safe[:min(len(safe), most)]
}

// safely is the path of a data file, under another name if its own could mean
// something to a dialplan.
func safely(j *consume.Job, folder, file string, n int) (string, error) {
	if safePath.MatchString(file) {
		return filepath.Join(folder, file), nil
	}
	alias := fmt.Sprintf("%s_%d%s", j.Stem, n, harmless(filepath.Ext(file)))
	return filepath.Join(folder, alias), j.Alias(file, alias)
}
