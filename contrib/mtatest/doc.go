// Package mtatest runs private mail servers for tests: Postfix and Sendmail as
// they are packaged, and two small SMTP servers that record what reaches them
// (Sink) or answer as they are told (Script). Modem is a GSM modem.
//
// Everything listens on free ports of the loopback address, lives in a
// temporary folder, and is stopped when the test ends. If the test failed, the
// servers' logs are printed. Only _test files import this package.
package mtatest
