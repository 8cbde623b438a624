package policy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
)

// question is what Postfix 3.7 sends at RCPT; it ends with the empty line.
const question = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\nclient_address=192.0.2.7\nclient_name=unknown\n" +
	"client_port=54321\nreverse_client_name=unknown\nserver_address=192.0.2.1\nserver_port=25\nhelo_name=pc.example.com\nsender=eva@example.com\n" +
	"recipient=Petr Brouzda/Datasys/+42061388454@fax\nrecipient_count=0\nqueue_id=4bX7\ninstance=1a.5f.0.0\nsize=0\netrn_domain=\nstress=\n" +
	"sasl_method=PLAIN\nsasl_username=eva\nsasl_sender=\nccert_subject=\nccert_issuer=\nccert_fingerprint=\nencryption_protocol=\n" +
	"encryption_cipher=\nencryption_keysize=0\npolicy_context=\n\n"

func readString(text string) (Request, error) {
	return read(bufio.NewReaderSize(strings.NewReader(text), maxLine))
}

func TestRead(t *testing.T) {
	t.Parallel()
	eva := Request{
		State: "RCPT", Sender: "eva@example.com", Recipient: "Petr Brouzda/Datasys/+42061388454@fax",
		Client: netip.MustParseAddr("192.0.2.7"), User: "eva", QueueID: "4bX7",
	}
	with := func(change func(*Request)) Request {
		q := eva
		change(&q)
		return q
	}
	changed := func(old, now string) string {
		if !strings.Contains(question, old) {
			t.Fatalf("no %q in the question", old)
		}
		return strings.Replace(question, old, now, 1)
	}
	for _, test := range []struct {
		name, text string
		want       Request
	}{
		{"as Postfix sends it", question, eva},
		{"null sender", changed("sender=eva@example.com", "sender="), with(func(q *Request) { q.Sender = "" })},
		{"IPv6", changed("192.0.2.7", "2001:db8::1"), with(func(q *Request) { q.Client = netip.MustParseAddr("2001:db8::1") })},
		{"IPv4 in IPv6", changed("192.0.2.7", "::ffff:192.0.2.7"), eva},
		{"an address of one network", changed("192.0.2.7", "fe80::1%eth0"), with(func(q *Request) { q.Client = netip.MustParseAddr("fe80::1") })},
		{"no address", changed("192.0.2.7", "unknown"), with(func(q *Request) { q.Client = netip.Addr{} })},
		{"= in a value", changed("=eva@example.com", "=FAX=+1@example.com"), with(func(q *Request) { q.Sender = "FAX=+1@example.com" })},
		{"no login, no queue ID", strings.NewReplacer("sasl_username=eva\n", "", "queue_id=4bX7\n", "").Replace(question), with(func(q *Request) { q.User, q.QueueID = "", "" })},
		{"unknown attributes", changed("helo_name=", "of_later_versions=x\nempty=\n="), eva},
		{"an unknown one twice", changed("size=0", "size=0\nsize=0"), eva},
		{"a line as long as may be", changed("helo_name=", strings.Repeat("x", maxLine-2)+"=\nhelo_name="), eva},
		{"as many as may be", strings.Repeat("x=\n", maxAttributes+1-strings.Count(question, "\n")) + question, eva},
	} {
		if got, err := readString(test.text); err != nil || got != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("x%d=\n", 3*maxAttributes)
	numbers := make([]any, 3*maxAttributes)
	for i := range numbers {
		numbers[i] = i
	}
	for _, test := range []struct {
		name, text string
		want       error
		says       string
	}{
		{"nothing", "", io.EOF, ""},
		{"cut off in a line", question[:20], io.ErrUnexpectedEOF, ""},
		{"cut off between lines", "request=smtpd_access_policy\n", io.ErrUnexpectedEOF, ""},
		{"no name", "request\n\n", errMalformed, "without '='"},
		{"SMTP", "EHLO x\r\n\r\n", errMalformed, "without '='"},
		{"HTTP", "GET /?a=b HTTP/1.1\r\nHost: x\r\n\r\n", errMalformed, "without '='"},
		{"another request", "request=junk\n\n", errMalformed, "smtpd_access_policy"},
		{"an empty one", "\n", errMalformed, "no attribute request"},
		{"without a recipient", strings.Replace(question, "recipient=", "other=", 1), errMalformed, "no attribute recipient"},
		{"without a sender", strings.Replace(question, "\nsender=", "\nother=", 1), errMalformed, "no attribute sender"},
		{"without a state", strings.Replace(question, "protocol_state=", "other=", 1), errMalformed, "no attribute protocol_state"},
		{"without a request", strings.Replace(question, "request=", "other=", 1), errMalformed, "no attribute request"},
		{"without a client", strings.Replace(question, "client_address=", "other=", 1), errMalformed, "no attribute client_address"},
		{"twice", strings.Replace(question, "size=0", "recipient=other@fax", 1), errMalformed, "recipient twice"},
		{"a long line", "request=smtpd_access_policy\nsender=" + strings.Repeat("x", maxLine) + "\n\n", errMalformed, "more than 8192 bytes"},
		{"a line too long by a byte", strings.Replace(question, "helo_name=", strings.Repeat("x", maxLine-1)+"=\n", 1), errMalformed, "more than 8192 bytes"},
		{"one too many", strings.Repeat("x=\n", maxAttributes+2-strings.Count(question, "\n")) + question, errMalformed, "more than 200 attributes"},
		{"many", fmt.Sprintf(many, numbers...), errMalformed, "more than 200 attributes"},
	} {
		q, err := readString(test.text)
		if !errors.Is(err, test.want) || !strings.Contains(fmt.Sprint(err), test.says) || q != (Request{}) && err == nil {
			t.Errorf("%s: %+v, %v; want %v with %q", test.name, q, err, test.want, test.says)
		}
	}
}

// FuzzRead: whatever comes, it ends, and a question is read as it was written:
// each attribute once, and what is written anew is read the same.
func FuzzRead(f *testing.F) {
	f.Add(question)
	f.Add("request=smtpd_access_policy\nprotocol_state=RCPT\nsender=\nrecipient=\nclient_address=::1\n\nrequest")
	f.Add("=\n=\n\n")
	f.Add("a\x00=b\r\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		r := bufio.NewReaderSize(strings.NewReader(text), maxLine)
		for {
			q, err := read(r)
			if err != nil {
				return
			}
			for _, v := range []string{q.State, q.Sender, q.Recipient, q.User, q.QueueID} {
				if strings.Contains(v, "\n") || len(v) > maxLine {
					t.Fatalf("%q", v)
				}
			}
			client := ""
			if q.Client.IsValid() {
				client = q.Client.String()
			}
			again, err := readString(fmt.Sprintf("request=smtpd_access_policy\nprotocol_state=%s\nsender=%s\nrecipient=%s\nclient_address=%s\nsasl_username=%s\nqueue_id=%s\n\n",
				q.State, q.Sender, q.Recipient, client, q.User, q.QueueID))
			if err != nil || again != q {
				t.Fatalf("%+v became %+v, %v", q, again, err)
			}
		}
	})
}
