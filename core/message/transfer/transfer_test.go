package transfer

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/text/transform"
)

func TestTransferEncoding(t *testing.T) {
	t.Parallel()
	for v, want := range map[string]Encoding{
		"": Identity, "7bit": Identity, "8BIT": Identity, "binary": Identity, "x-uuencode": Identity,
		"base64": Base64, " BASE64 ": Base64, "base64 (comment)": Base64, "\"base64\"": Base64, "base64;": Base64,
		"quoted-printable": QuotedPrintable, "Quoted-Printable\t": QuotedPrintable,
	} {
		if got := Parse(v); got != want {
			t.Errorf("%q is %d, want %d", v, got, want)
		}
	}
}

func TestTransferDecoder(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		encoding Encoding
		in, want string
	}{
		{"base64", Base64, "QUJD\r\nREVG\r\n", "ABCDEF"},
		{"padding", Base64, "QQ==", "A"},
		{"no padding", Base64, "QUI", "AB"},
		{"one digit too many", Base64, "QUJDR", "ABC"},
		{"padding in the middle", Base64, "QQ==QkM=", "ABC"},
		{"garbage", Base64, "QU*J\x00 D\t", "ABC"},
		{"indent", Base64, "\tQUJD\r\n\tREVG", "ABCDEF"},
		{"URL alphabet", Base64, "-_-_", "\xfb\xff\xbf"},
		{"nothing", Base64, "====", ""},
		{"qp", QuotedPrintable, "a=3Db=C3=a9", "a=bé"},
		{"soft break", QuotedPrintable, "a=\r\nb=\nc", "abc"},
		{"soft break with spaces", QuotedPrintable, "a= \t\r\nb", "ab"},
		{"no escape", QuotedPrintable, "a=ZZ b=3 c==41 d=", "a=ZZ b=3 c=A d"},
		{"space after =", QuotedPrintable, "a= b", "a= b"},
		{"control characters", QuotedPrintable, "a\x0c\x1b\xe9", "a\x0c\x1b\xe9"},
		{"CR without LF", QuotedPrintable, "a=\rb", "a=\rb"},
		{"long line", QuotedPrintable, strings.Repeat("x", 100_000) + "=41", strings.Repeat("x", 100_000) + "A"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for name, r := range map[string]io.Reader{"whole": strings.NewReader(tc.in), "by bytes": iotest.OneByteReader(strings.NewReader(tc.in))} {
				got, err := io.ReadAll(transform.NewReader(r, tc.encoding.NewDecoder()))
				if err != nil || string(got) != tc.want {
					t.Errorf("%s: %.100q, %v; want %.100q", name, got, err, tc.want)
				}
			}
		})
	}
}

// FuzzTransfer compares with the standard library on what that can read, and
// decodes garbage in whole and at random places.
func FuzzTransfer(f *testing.F) {
	f.Add([]byte("QUJD\r\n=3D= \r\nx=ZZ"), uint16(3))
	f.Fuzz(func(t *testing.T, in []byte, at uint16) {
		var b64, qp bytes.Buffer
		w := base64.NewEncoder(base64.StdEncoding, &b64)
		w.Write(in)
		w.Close()
		q := quotedprintable.NewWriter(&qp)
		q.Binary = true
		q.Write(in)
		q.Close()
		for _, tc := range []struct {
			c       Encoding
			encoded []byte
		}{{Base64, b64.Bytes()}, {QuotedPrintable, qp.Bytes()}} {
			got, err := io.ReadAll(transform.NewReader(bytes.NewReader(tc.encoded), tc.c.NewDecoder()))
			if err != nil || !bytes.Equal(got, in) {
				t.Errorf("%q is decoded to %q, %v", in, got, err)
			}
			whole, err := io.ReadAll(transform.NewReader(bytes.NewReader(in), tc.c.NewDecoder()))
			if err != nil {
				t.Error(err)
			}
			src := bytes.Repeat(in, 1+2*markEvery/(len(in)+1))
			d, err := NewAt(io.NewSectionReader(bytes.NewReader(src), 0, int64(len(src))), tc.c)
			if err != nil {
				t.Fatal(err)
			}
			if len(in) > 0 && len(src) == len(in) && d.Size != int64(len(whole)) {
				t.Errorf("size %d, want %d", d.Size, len(whole))
			}
			all, err := io.ReadAll(transform.NewReader(bytes.NewReader(src), tc.c.NewDecoder()))
			if err != nil || d.Size != int64(len(all)) {
				t.Fatalf("size %d, want %d (%v)", d.Size, len(all), err)
			}
			off := int64(at) * 3
			if off >= d.Size {
				continue
			}
			p := make([]byte, 100)
			n, err := d.ReadAt(p, off)
			want := all[off:min(off+100, d.Size)]
			if !bytes.Equal(p[:n], want) || err == nil != (n == len(p)) {
				t.Errorf("ReadAt %d: %q, %v; want %q", off, p[:n], err, want)
			}
		}
	})
}

func TestDecodedAt(t *testing.T) {
	t.Parallel()
	want := make([]byte, 5*markEvery+123)
	for i := range want {
		want[i] = byte(i * 7 / 3)
	}
	encoded := []byte(base64.StdEncoding.EncodeToString(want))
	d, err := NewAt(io.NewSectionReader(bytes.NewReader(encoded), 0, int64(len(encoded))), Base64)
	if err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(io.NewSectionReader(d, 0, d.Size), want); err != nil {
		t.Error(err)
	}
	if n, err := d.ReadAt(make([]byte, 1), d.Size); n != 0 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	if _, err := d.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset is read")
	}
}
