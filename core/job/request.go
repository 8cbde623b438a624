package job

import (
	"cmp"
	"errors"
	"io"
	"strings"

	"smtpreceiver/core/report"
)

// writeRequest writes what a report on the job will need, where the sender may be
// told anything. Only the job's reader knows the file: no CTL key names it.
func (m *Maker) writeRequest(job Job, recipe *Recipe, rcpt Recipient) error {
	if !recipe.Reported || m.mail.Sender == "" || strings.EqualFold(rcpt.Notify, "NEVER") {
		return nil
	}
	if m.header == nil {
		header, err := report.ReadHeader(io.NewSectionReader(m.source, 0, m.source.Size()))
		if err != nil {
			return err
		}
		m.header = append([]byte{}, header...)
	}
	data, err := (&report.Request{
		Sender: cmp.Or(m.mail.Mailbox, m.mail.Sender), Recipient: rcpt.Mailbox, Arrived: m.mail.Arrived,
		Notify: rcpt.Notify, Return: m.mail.Return, EnvID: m.mail.EnvID, Original: rcpt.Original, Header: m.header,
	}).Encode()
	if err != nil {
		return err
	}
	f, err := job.Create(job.Stem() + report.FileExt)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
