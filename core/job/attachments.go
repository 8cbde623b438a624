package job

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"smtpreceiver/core/codepage"
)

// attachedFile is one entry of [attachments].
type attachedFile struct{ file, name string }

// writeAttachments gives the job the attachments of the message: written once
// for the first job of a recipe, linked into the others.
func writeAttachments(c *content, job Job) ([]attachedFile, error) {
	var files []attachedFile
	first := c.owner == nil
	for i, a := range c.attachments {
		name := fmt.Sprintf("%s_%d_%s", job.Stem(), i+1, attachmentName(a.name))
		files = append(files, attachedFile{name, a.name})
		if !first {
			if err := job.Link(name, c.owner, c.names[i]); err != nil {
				return nil, err
			}
			continue
		}
		if err := writeAttachment(job, name, a); err != nil {
			return nil, err
		}
		c.names = append(c.names, name)
	}
	if first {
		c.owner = job
	}
	return files, nil
}

// attachmentName makes the original name safe in a file name. One that ends in
// .ctl would be taken for a job by a reader that watches the folder.
func attachmentName(original string) string {
	name := codepage.FileName(original)
	if strings.EqualFold(filepath.Ext(name), ".ctl") {
		name += "_"
	}
	return name
}

func writeAttachment(job Job, name string, a attachment) error {
	r, err := a.open()
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := job.Create(name)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
