package targets

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"smtpreceiver/core/consume"
	"smtpreceiver/core/consume/pages"
)

// documents makes the pages of a fax in folder and returns their names in order,
// which mean nothing to anybody: the text, unless it is blank beside attachments,
// then the attachments. What is left out of the fax is named at its end.
func (h *HylaFAX) documents(ctx context.Context, j *consume.Job, folder string) (made []string, err error) {
	if j.Format != "txt" {
		return nil, consume.Permanent(fmt.Errorf("the message is in format %q, which cannot be faxed: set format_preference of the application to txt", j.Format))
	}
	text, err := j.ReadFile(j.Text)
	if err != nil {
		return nil, err
	}
	files := h.Pages.Message(j.Decode)
	var attached, names, reasons []string // names and reasons of what is left out
	for i, a := range j.Attachments {
		documents, err := attachment(ctx, j, files, a.File, filepath.Join(folder, fmt.Sprint(i+1)))
		name := cmp.Or(a.Name, a.File)
		var unfit *pages.Unfit
		switch {
		case errors.As(err, &unfit) && !h.SkipUnknown:
			return nil, consume.Permanent(fmt.Errorf("attachment %q (%s) cannot be faxed: %w; skip_unknown leaves such ones out", name, a.File, err))
		case errors.As(err, &unfit):
			names, reasons = append(names, name), append(reasons, fmt.Sprintf("%q: %v", name, err))
		case err != nil && !errors.Is(err, pages.ErrDecoration):
			return nil, fmt.Errorf("attachment %q (%s): %w", name, a.File, err)
		}
		attached = append(attached, documents...)
	}
	blank := strings.TrimSpace(text) == ""
	if blank && len(attached) == 0 && len(names) > 0 {
		return nil, consume.Permanent(fmt.Errorf("nothing of the message can be faxed: %s", strings.Join(reasons, "; ")))
	}
	note := leftOut(names)
	if len(attached) == 0 { // one page is enough for both
		text, note = strings.TrimRight(text, " \r\n\t")+"\n\n"+note, ""
	}
	var documents []string
	if !blank || len(attached) == 0 {
		documents = append(documents, filepath.Join(folder, "text.pdf"))
		err = setText(files, documents[0], text)
	}
	documents = append(documents, attached...)
	if note != "" && err == nil {
		documents = append(documents, filepath.Join(folder, "left.pdf"))
		err = setText(files, documents[len(documents)-1], note)
	}
	for _, path := range documents {
		made = append(made, filepath.Base(path))
	}
	for _, reason := range reasons {
		j.Remark("left out of the fax: " + reason)
	}
	if lacking := files.Lacking(); len(lacking) > 0 {
		j.Remark(withoutFont(lacking))
	}
	return made, err
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

// leftOut is what the recipient is told.
func leftOut(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "Left out of this fax, because it cannot be printed:\n" + strings.Join(names, "\n") + "\n"
}

// attachment makes documents of an attachment, whose paths begin with path.
func attachment(ctx context.Context, j *consume.Job, files *pages.Files, file, path string) ([]string, error) {
	copied, err := j.CopyFile(file)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(copied, path); err != nil {
		return nil, err
	}
	return files.File(ctx, path, file)
}

func setText(files *pages.Files, document, text string) error {
	err := files.Text(document, text)
	if unfit := (*pages.Unfit)(nil); errors.As(err, &unfit) {
		return consume.Permanent(err)
	}
	return err
}
