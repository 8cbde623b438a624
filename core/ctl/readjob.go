package ctl

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxAttachments is more than a control file has room for.
const maxAttachments = MaxSize / 8

// Job is what the reader of a control file wants to know, wherever a layout has
// put it. What the file lacks is "".
type Job struct {
	Type, App, ID, Subject string
	Priority               string // high, normal or low; @commands may have written anything else
	Report                 string // dr, or report: 1 if the user asks for a delivery report
	Flash                  string // 1 for a flash SMS, where ctl_settings or a tag set it
	MaxLen, Action         string // most SMS the text may make; 1 or 2: a longer text is not sent, otherwise it is cut
	Text, Format           string // the message file and its format
	FromName, FromSMTP     string
	FromCompany, FromDept  string // where ctl_settings or transform set them
	Number, Name           string
	Company, Dept          string
	Address, Notify        string
	Attachments            []Attachment
}

// Attachment is a file of the job and its original name.
type Attachment struct{ File, Name string }

// Get returns the value of a key by the name it has without the layout, from a
// document that was written with it.
func (l Layout) Get(d *Document, section, key string) string { return d.Get(l.Place(section, key)) }

// Place is where the layout puts a key; empty where it drops it, or puts another there.
func (l Layout) Place(section, key string) (toSection, toKey string) {
	t, ok := l.find(section, key)
	if !ok {
		t = target{section: section, key: key}
		if l.leadsTo(t) {
			return "", ""
		}
	}
	return t.section, t.key
}

// ReadJob reads a control file; text is UTF-8, decoded from the code page of the
// file by the caller. The error says what keeps it from being a job: a file name
// that is missing or leads out of the folder, or what Parse finds.
func ReadJob(text string, l Layout) (*Job, error) {
	d, err := Parse(text)
	if err != nil {
		return nil, err
	}
	get := func(section, key string) string { return l.Get(d, section, key) }
	j := &Job{
		Type: get("system", "type"), App: get("system", "app"), ID: get("system", "id"), Subject: get("system", "subject"),
		Priority: strings.ToLower(get("system", "priority")), Report: get("system", "dr"), Flash: get("system", "flash"),
		MaxLen: get("system", "maxlen"), Action: get("system", "action"),
		Text: get("system", "txt"), Format: get("system", "format"),
		FromName: get("from", "name"), FromSMTP: get("from", "smtp"), FromCompany: get("from", "company"), FromDept: get("from", "dept"),
		Number: get("to", "number"), Name: get("to", "name"), Company: get("to", "company"), Dept: get("to", "dept"),
		Address: get("to", "address"), Notify: strings.ToUpper(get("to", "notify")),
	}
	if j.Report == "" {
		j.Report = get("system", "report")
	}
	if err := plainName(j.Text); err != nil {
		return nil, fmt.Errorf("control file: system/txt: %w", err)
	}
	count := get("attachments", "count")
	if count == "" {
		return j, nil
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > maxAttachments {
		return nil, fmt.Errorf("control file: attachments/count: %.20q is not a number up to %d", count, maxAttachments)
	}
	for i := range n {
		number := strconv.Itoa(i + 1)
		a := Attachment{get("attachments", number), get("attachments", number+"_name")}
		if err := plainName(a.File); err != nil {
			return nil, fmt.Errorf("control file: attachments/%s: %w", number, err)
		}
		j.Attachments = append(j.Attachments, a)
	}
	return j, nil
}

// Files are the names of all data files, the message file first.
func (j *Job) Files() []string {
	files := []string{j.Text}
	for _, a := range j.Attachments {
		files = append(files, a.File)
	}
	return files
}

// plainName reports why name is not that of a data file in the folder of the
// control file.
func plainName(name string) error {
	switch {
	case name == "":
		return errors.New("no file name")
	case strings.ContainsAny(name, `/\:`) || name[0] == '.':
		return fmt.Errorf("%.80q is not the name of a file beside it", name)
	}
	return nil
}
