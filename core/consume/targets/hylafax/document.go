package hylafax

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/pages"
	"smtpreceiver/core/consume/targets/fields"
)

// documents makes the pages of a fax in folder and returns their names in order,
// which mean nothing to anybody.
func (h *Target) documents(ctx context.Context, j *consume.Job, folder string) (names []string, err error) {
	text, err := fields.Text(j)
	if err != nil {
		return nil, err
	}
	var parts []pages.Part
	for _, a := range j.Attachments {
		parts = append(parts, pages.Part{Name: cmp.Or(a.Name, a.File), File: a.File, Put: func(path string) error {
			copied, err := j.CopyFile(a.File)
			if err != nil {
				return err
			}
			return os.Rename(copied, path)
		}})
	}
	files := h.Pages.Message(j.Decode)
	documents, err := files.Pages(ctx, folder+string(filepath.Separator), text, parts)
	if errors.As(err, new(*pages.Unfit)) {
		return nil, consume.Permanent(fmt.Errorf("the message cannot be faxed: %w", err))
	}
	if err != nil {
		return nil, err
	}
	for _, left := range files.Left {
		if !h.SkipUnknown {
			return nil, consume.Permanent(fmt.Errorf("attachment cannot be faxed: %v; skip_unknown leaves such ones out", left))
		}
		j.Remark("left out of the fax: " + left.String())
	}
	if lacking := files.Lacking(); len(lacking) > 0 {
		j.Remark(withoutFont(lacking))
	}
	for _, path := range documents {
		names = append(names, filepath.Base(path))
	}
	return names, nil
}

// withoutFont names characters that are not on the fax, and some of them.
func withoutFont(lacking []rune) string {
	const named = 10
	text := fmt.Sprintf("%d characters are not on the fax, because no font here has them:", len(lacking))
	for _, r := range lacking[:min(len(lacking), named)] {
		text += fmt.Sprintf(" %c (%U)", r, r)
	}
	return text
}
