package standalone

import (
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-smtp"
)

// TestNothingGoesOnAfterTheTransaction: what comes for a transaction that is
// over is asked to come again, and never joins the next one.
func TestNothingGoesOnAfterTheTransaction(t *testing.T) {
	t.Parallel()
	s := new(session)
	for verb, err := range map[string]error{
		"RCPT": s.Rcpt("1@fax", nil),
		"DATA": s.Data(strings.NewReader("Subject: x\r\n\r\nx\r\n")),
		"LMTP": s.LMTPData(strings.NewReader(""), nil),
	} {
		var reply *smtp.SMTPError
		if !errors.As(err, &reply) || reply.Code != 451 {
			t.Errorf("%s: %v, want 451", verb, err)
		}
	}
}
