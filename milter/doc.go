// Package milter attaches the receiver to Postfix or Sendmail: it diverts the
// recipients that an application takes and leaves all other mail alone. It
// speaks the protocol and decides nothing; core does.
//
// # What is negotiated, and why
//
// Protocol version 6 is required. Every event that needs an answer costs the
// MTA a round trip, so of a message that is not ours only RCPT (which may be
// refused) and DATA (where it is known that nothing is diverted) are answered:
//
//	connect   event, no reply     the client's address comes only with it
//	HELO      not sent
//	MAIL      event, no reply     a bad sender is refused at RCPT, if ours
//	RCPT      event and reply     continue, or this recipient's own refusal
//	DATA      event and reply     accept: nothing ours, no header or body follows
//	header    event, no reply     with its leading space, to rebuild the bytes
//	EOH       event, no reply
//	body      event, no reply
//	unknown   not sent
//
// Accept at RCPT would end the whole message for us, and skip at RCPT would
// hide the recipients behind it, so neither is ever answered there. Discard is
// never used: discarded mail starves Postfix's in_flow_delay. At the end of
// the message the jobs are committed, then the diverted recipients are deleted
// and the message is accepted, also if nobody is left.
//
// Of the macros only the authenticated user and the queue ID are requested. The
// default lists hold them too, and with them what an MTA has to look up for
// each address.
//
// # What else can go wrong
//
// An event that belongs to no message is a tempfail: what was missed may have
// been for us. Just before the commit the MTA is asked with a progress notice
// whether it still waits; if it has hung up, nothing becomes visible, because
// its client was told to try again. Shutdown lets running messages finish and
// hangs up between messages.
//
// The library dies on malformed packets and on a panic in a callback. Every
// connection passes a frame check (package guard), and what works on a message
// recovers. It also hands an error of a callback to the MTA as a lost connection, for
// which the MTA's default action may be to accept: every failure is answered.
package milter
