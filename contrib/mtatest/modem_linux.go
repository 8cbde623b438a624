package mtatest

import (
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// Modem is a GSM modem at the other end of a pseudo-terminal. It says OK to
// everything and keeps the messages it is told to send.
type Modem struct {
	Device string   // path of the terminal
	Sent   chan SMS // what it was told to send, in order; room for 100

	refused atomic.Value // string
}

// Refuse has the modem send nothing to numbers that begin with these digits.
func (m *Modem) Refuse(prefix string) { m.refused.Store(prefix) }

// SMS is a message as it goes on air.
type SMS struct {
	Number        string // digits
	International bool   // Number is one, by its type (3GPP TS 23.040, 9.1.2.5)
	Report        bool   // a delivery report is asked for
	Text          string
	Part, Parts   int // of a text in several; 0, 0: it is alone
}

// NewModem plugs in a modem, which stays until the test ends.
func NewModem(t testing.TB) *Modem {
	t.Helper()
	f, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(f.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	m := &Modem{Device: fmt.Sprintf("/dev/pts/%d", n), Sent: make(chan SMS, 100)}
	// Held open, so that the line does not hang up between two users.
	line, err := os.OpenFile(m.Device, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { line.Close() })
	settings, err := unix.IoctlGetTermios(int(line.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Lflag &^= unix.ECHO | unix.ICANON | unix.ISIG
	settings.Oflag &^= unix.OPOST
	settings.Iflag &^= unix.ICRNL
	if err := unix.IoctlSetTermios(int(line.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	go m.serve(t, f)
	return m
}

const endOfMessage = 0x1A // Ctrl-Z

// serve answers until the terminal is closed.
func (m *Modem) serve(t testing.TB, f *os.File) {
	input := make([]byte, 1)
	command := ""
	for {
		if n, err := f.Read(input); err != nil || n == 0 {
			return
		}
		switch c := input[0]; {
		case c == endOfMessage:
			message, err := decodeSubmit(strings.TrimSpace(command))
			if err != nil {
				t.Errorf("PDU %q: %v", command, err)
			}
			command = ""
			if prefix, ok := m.refused.Load().(string); ok && strings.HasPrefix(message.Number, prefix) {
				fmt.Fprint(f, "\r\n+CMS ERROR: 28\r\n") // unidentified subscriber
				continue
			}
			m.Sent <- message
			fmt.Fprint(f, "\r\n+CMGS: 1\r\n\r\nOK\r\n")
		case c != '\r':
			command += string(c)
		default:
			answer := map[string]string{"AT+CREG?": "+CREG: 0,1\r\n\r\n", "AT+CPIN?": "+CPIN: READY\r\n\r\n", "AT+CSQ": "+CSQ: 20,0\r\n\r\n"}[strings.TrimSpace(command)]
			if strings.HasPrefix(strings.TrimSpace(command), "AT+CMGS=") {
				fmt.Fprint(f, "\r\n> ")
			} else {
				fmt.Fprint(f, "\r\n"+answer+"OK\r\n")
			}
			command = ""
		}
	}
}

// decodeSubmit reads an SMS-SUBMIT (3GPP TS 23.040, 9.2.2.2) in UCS-2 or in the
// default alphabet.
func decodeSubmit(pdu string) (m SMS, err error) {
	b, err := hex.DecodeString(pdu)
	if err != nil {
		return m, err
	}
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("too short")
		}
	}()
	b = b[1+int(b[0]):] // service centre
	first, digits := b[0], int(b[2])
	m.Report, m.International = first&0x20 != 0, b[3]>>4 == 0x9
	b = b[4:]
	for i := range digits {
		m.Number += strconv.Itoa(int(b[i/2] >> (4 * (i % 2)) & 0xF))
	}
	b = b[(digits+1)/2:]
	coding := b[1]
	b = b[2:]
	if first>>3&3 == 2 { // validity period, one octet
		b = b[1:]
	}
	length, data := int(b[0]), b[1:]
	header := 0 // octets of the user data header
	if first&0x40 != 0 {
		header = 1 + int(data[0])
		if data[1] == 0 && data[2] == 3 { // parts with a reference of 8 bits
			m.Parts, m.Part = int(data[4]), int(data[5])
		}
	}
	if coding&0x0C == 0x08 {
		var units []uint16
		for at := header; at < length; at += 2 {
			units = append(units, uint16(data[at])<<8|uint16(data[at+1]))
		}
		m.Text = string(utf16.Decode(units))
		return m, nil
	}
	m.Text = decodeSeptets(data, (header*8+6)/7, length)
	return m, nil
}

// The default alphabet and its extension (3GPP TS 23.038, 6.2.1); the code 0x1B
// leads to the extension.
var (
	defaultAlphabet = []rune("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà")
	extensionTable  = map[uint16]rune{0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\', 0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€'}
)

// decodeSeptets reads the septets from one to another, which lie from the low bits
// on.
func decodeSeptets(data []byte, from, to int) string {
	var text strings.Builder
	escaped := false
	for i := from; i < to; i++ {
		at := i * 7
		septet := uint16(data[at/8]) >> (at % 8)
		if at/8+1 < len(data) {
			septet |= uint16(data[at/8+1]) << (8 - at%8)
		}
		septet &= 0x7F
		switch {
		case escaped:
			text.WriteRune(extensionTable[septet])
			escaped = false
		case septet == 0x1B:
			escaped = true
		default:
			text.WriteRune(defaultAlphabet[septet])
		}
	}
	return text.String()
}
