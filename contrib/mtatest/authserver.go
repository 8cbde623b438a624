package mtatest

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
)

// authServer is a Dovecot authentication server as far as Postfix needs one:
// mechanism PLAIN, any user, password "secret". It returns its address.
func authServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveAuth(c)
		}
	}()
	return l.Addr().String()
}

// serveAuth speaks Dovecot's authentication protocol 1.1 until the client hangs up.
func serveAuth(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\tc0ffee\nDONE\n")
	for in := bufio.NewScanner(c); in.Scan(); {
		field := strings.Split(in.Text(), "\t")
		if len(field) < 3 || field[0] != "AUTH" && field[0] != "CONT" {
			continue // the client's own greeting
		}
		id, response := field[1], field[len(field)-1]
		if field[0] == "AUTH" {
			var initial bool
			if response, initial = strings.CutPrefix(response, "resp="); !initial {
				fmt.Fprintf(c, "CONT\t%s\t\n", id)
				continue
			}
		}
		plain, _ := base64.StdEncoding.DecodeString(response)
		part := strings.Split(string(plain), "\x00") // authorization identity, user, password
		if len(part) == 3 && part[1] != "" && part[2] == "secret" {
			fmt.Fprintf(c, "OK\t%s\tuser=%s\n", id, part[1])
		} else {
			fmt.Fprintf(c, "FAIL\t%s\n", id)
		}
	}
}
