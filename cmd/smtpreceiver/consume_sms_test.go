//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smtpreceiver/contrib/mtatest"
	"smtpreceiver/core/sms"
)

// smstools is a private smsd with a modem.
func smstools(t *testing.T) (dir string, device *mtatest.Modem) {
	t.Helper()
	smsd := program(t, "smsd", "smstools")
	device, dir = mtatest.NewModem(t), t.TempDir()
	var config strings.Builder
	for _, name := range []string{"outgoing", "checked", "sent", "failed", "incoming", "report", "stats"} {
		mkdir(t, filepath.Join(dir, name))
		fmt.Fprintf(&config, "%s = %s\n", name, filepath.Join(dir, name))
	}
	for _, name := range []string{"infofile", "pidfile", "logfile"} {
		fmt.Fprintf(&config, "%s = %s\n", name, filepath.Join(dir, name))
	}
	fmt.Fprintf(&config, "devices = GSM1\ndelaytime = 1\nloglevel = 7\n[GSM1]\ndevice = %s\ninit =\nincoming = no\nreport = no\n", device.Device)
	writeFile(t, filepath.Join(dir, "smsd.conf"), config.String())
	launch(t, exec.Command(smsd, "-t", "-c"+filepath.Join(dir, "smsd.conf")))
	return dir, device
}

// TestMailToSmstools: a mail comes in by SMTP, and smsd sends it by its modem.
func TestMailToSmstools(t *testing.T) {
	t.Parallel()
	dir, device := smstools(t)
	r := consuming(t, "", "target: smstools, target_folder: '"+filepath.Join(dir, "outgoing")+"'")
	r.start(t)
	consumer := r.launch(t, "consume")
	consumer.awaitLine(t, "msg=started")
	for _, m := range []mail{
		{"petr.novak@example.com", []string{"+420603123456@sms"}, "Content-Type: text/plain; charset=utf-8\r\n\r\nŽluťoučký kůň\r\n"},
		{"petr.novak@example.com", []string{"603123456@sms"}, "\r\nTo: 900\r\n\r\nHello\r\n"},
	} {
		wantDelivery(t, r.addr, m, "250 ")
	}
	spoolJob(t, r.sms, "99999999", "+1 (603) 555", "with report", [3]string{"system", "dr", "1"})
	got := map[string]mtatest.SMS{}
	for range 3 {
		select {
		case m := <-device.Sent:
			got[m.Number] = m
		case <-time.After(patience):
			t.Fatalf("sent %+v; log:\n%s", got, readFile(t, filepath.Join(dir, "logfile")))
		}
	}
	for _, want := range []mtatest.SMS{
		{Number: "420603123456", International: true, Text: "Žluťoučký kůň"},
		{Number: "603123456", Text: "To: 900\n\nHello"},
		{Number: "1603555", International: true, Report: true, Text: "with report"},
	} {
		if m := got[want.Number]; m != want {
			t.Errorf("sent %+v, want %+v", m, want)
		}
	}
	eventually(t, "smsd to move the files to sent", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "sent", "smtpreceiver-*"))
		return len(files) == 3
	})
	wantNothingLeft(t, r.sms)
}

// TestPartsOfSmstools: smsd sends a text in as many parts as are counted, and whole.
func TestPartsOfSmstools(t *testing.T) {
	t.Parallel()
	dir, device := smstools(t)
	r := consuming(t, "", "target: smstools, target_folder: '"+filepath.Join(dir, "outgoing")+"'")
	r.configure(t, "output_code_page: utf-8", "consume: {sms: {target: smstools, target_folder: '"+filepath.Join(dir, "outgoing")+"', poll_interval: 100ms}}")
	for i, text := range []string{
		"@£$¥èéùìòÇØøÅåÆæßÉ¤¡ÄÖÑÜ§¿äöñüà", "ΔΦΓΛΩΠΨΣΘΞ_", "5 € [x] {y} ~^\\|", "á", "Žluťoučký 😀", "`", "Pump\t3",
		strings.Repeat("0123456789", 40), strings.Repeat("Příliš ", 50), strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152), strings.Repeat("ř", 66) + "😀" + strings.Repeat("ř", 66),
		strings.Repeat("long line of words. ", 200), strings.Repeat("Ω", 160), strings.Repeat("é", 161),
	} {
		number := fmt.Sprintf("+42060300%04d", i)
		spoolJobIn(t, "utf-8", r.sms, fmt.Sprintf("%08d", i+1), number, text)
		consumer := r.launch(t, "consume")
		line := consumer.awaitLine(t, "msg=\"job handed on\"")
		var parts int
		fmt.Sscanf(line[strings.Index(line, "parts="):], "parts=%d", &parts)
		got := ""
		for n := range parts {
			select {
			case m := <-device.Sent:
				if "+"+m.Number != number || parts > 1 && (m.Part != n+1 || m.Parts != parts) {
					t.Errorf("%.20q: part %d of %d is %+v", text, n+1, parts, m)
				}
				got += m.Text
			case <-time.After(20 * time.Second):
				t.Fatalf("%.20q: %d of %d parts came", text, n, parts)
			}
		}
		consumer.kill()
		sent, _ := sms.Cut(sms.Plain(text), 10)
		if got != sms.Fill(sent) {
			t.Errorf("%.40q was sent as %q", text, got)
		}
	}
	select {
	case m := <-device.Sent:
		t.Errorf("more was sent than counted: %+v", m)
	case <-time.After(2 * time.Second):
	}
}

// gammu is a private gammu-smsd with its files backend and a phone that is a folder.
func gammu(t testing.TB) (config, dir string) {
	t.Helper()
	program(t, "gammu-smsd", "gammu-smsd")
	dir = t.TempDir()
	for _, name := range []string{"inbox", "outbox", "sent", "error", "phone", "phone/sms", "phone/sms/1", "phone/sms/2", "phone/sms/3", "phone/sms/4", "phone/sms/5", "heard"} {
		mkdir(t, filepath.Join(dir, name))
	}
	writeFile(t, filepath.Join(dir, "sent.sh"), "#!/bin/sh\nprintf '%s|%s' \"$SMS_1_NUMBER\" \"$SMS_1_TEXT\" > "+dir+"/heard.$$ && mv "+dir+"/heard.$$ "+dir+"/heard/$$\n")
	if err := os.Chmod(filepath.Join(dir, "sent.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	config = filepath.Join(dir, "smsdrc")
	writeFile(t, config, fmt.Sprintf("[gammu]\nmodel = dummy\nconnection = none\nport = %[1]s/phone\ndevice = %[1]s/phone\n"+
		"[smsd]\nservice = files\nlogfile = %[1]s/log\ndebuglevel = 255\nloopsleep = 1\nrunonsent = %[1]s/sent.sh\n"+
		"inboxpath = %[1]s/inbox/\noutboxpath = %[1]s/outbox/\nsentsmspath = %[1]s/sent/\nerrorsmspath = %[1]s/error/\n", dir))
	return config, dir
}

// TestMailToGammu: a mail comes in by SMTP, and gammu-smsd sends it.
func TestMailToGammu(t *testing.T) {
	t.Parallel()
	config, dir := gammu(t)
	r := consuming(t, "", "target: gammu, target_folder: '"+filepath.Join(dir, "outbox")+"'")
	r.start(t)
	r.launch(t, "consume").awaitLine(t, "msg=started")
	wantDelivery(t, r.addr, mail{"petr.novak@example.com", []string{"+420603123456@sms"}, "Content-Type: text/plain; charset=utf-8\r\n\r\nŽluťoučký kůň\r\n"}, "250 ")
	server := exec.Command(program(t, "gammu-smsd", "gammu-smsd"), "-c", config)
	server.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	launch(t, server)
	eventually(t, "gammu-smsd to have sent it", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "sent", "OUTC*_+420603123456_smtpreceiver-*.txt"))
		return len(files) == 1
	})
	eventually(t, "gammu-smsd to say what it sent", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "heard", "*"))
		return len(files) == 1
	})
	heard, _ := filepath.Glob(filepath.Join(dir, "heard", "*"))
	if got := readFile(t, heard[0]); got != "+420603123456|Žluťoučký kůň" {
		t.Errorf("sent %q", got)
	}
	wantNothingLeft(t, r.sms)
}

// TestPartsOfGammu: gammu-smsd sends a text in as many parts as are counted, and
// whole. Of a long text in UCS-2 it says one part whatever it sends.
func TestPartsOfGammu(t *testing.T) {
	t.Parallel()
	config, dir := gammu(t)
	writeFile(t, filepath.Join(dir, "sent.sh"), "#!/bin/sh\nfor i in $(seq $SMS_MESSAGES); do eval printf '%s' \"\\\"\\$SMS_${i}_TEXT\\\"\"; done >"+dir+"/heard/$SMS_1_NUMBER.part\nprintf '|%s' $SMS_MESSAGES >>"+dir+"/heard/$SMS_1_NUMBER.part\nmv "+dir+"/heard/$SMS_1_NUMBER.part "+dir+"/heard/$SMS_1_NUMBER\n")
	server := exec.Command(program(t, "gammu-smsd", "gammu-smsd"), "-c", config)
	server.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	launch(t, server)
	r := newReceiver(t, "output_code_page: utf-8", "consume: {sms: {target: gammu, target_folder: '"+filepath.Join(dir, "outbox")+"', poll_interval: 100ms}}")
	consumer := r.launch(t, "consume")
	for i, text := range []string{
		"Hello", "äöü ΔΦ € [x]", "á", "Čau 😀", strings.Repeat("0123456789", 40),
		strings.Repeat("a", 152) + "€" + strings.Repeat("b", 152), strings.Repeat("Ω", 160),
	} {
		number := fmt.Sprintf("+42060300%04d", i)
		spoolJobIn(t, "utf-8", r.sms, fmt.Sprintf("%08d", i+1), number, text)
		line := consumer.awaitLine(t, "msg=\"job handed on\"", "rcpt="+number)
		var parts int
		fmt.Sscanf(line[strings.Index(line, "parts="):], "parts=%d", &parts)
		heard := filepath.Join(dir, "heard", number)
		eventually(t, "gammu-smsd to have sent "+number, func() bool {
			_, err := os.Stat(heard)
			return err == nil
		})
		if got := readFile(t, heard); got != fmt.Sprintf("%s|%d", sms.Fill(sms.Plain(text)), parts) {
			t.Errorf("%.20q in %d parts was sent as %q", text, parts, got)
		}
	}
}
