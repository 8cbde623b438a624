/*
 * A milter that does nothing, on the C library, for benchmarks: what any milter
 * costs the MTA. It takes connect, MAIL and RCPT, answers each, and takes every
 * message at DATA. With "lean" behind the socket it negotiates what smtpreceiver
 * does: no answer but to RCPT and DATA. With "take" it also has the message sent, keeps
 * nothing of it, and takes its recipient out, as smtpreceiver does with a diverted mail.
 *
 *   cc -O2 -o libmilter-noop libmilter/noop.c -lmilter -lpthread    (libmilter-dev)
 *   ./libmilter-noop inet:8895@127.0.0.1 [lean|take]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <libmilter/mfapi.h>

#define NEEDED (SMFIP_HDR_LEADSPC | SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NR_CONN | \
	SMFIP_NR_MAIL | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)

static sfsistat negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
	unsigned long u2, unsigned long u3, unsigned long *want_actions,
	unsigned long *want_steps, unsigned long *want_u2, unsigned long *want_u3)
{
	if ((steps & NEEDED) != NEEDED || !(actions & SMFIF_DELRCPT))
		return SMFIS_REJECT;
	*want_actions = SMFIF_DELRCPT;
	*want_steps = NEEDED;
	*want_u2 = *want_u3 = 0;
	return SMFIS_CONTINUE;
}

/* Of what needs no reply, libmilter writes nothing for NOREPLY. */
static sfsistat unanswered = SMFIS_CONTINUE;

static sfsistat on_connect(SMFICTX *ctx, char *host, _SOCK_ADDR *addr) { return unanswered; }
static sfsistat on_mail(SMFICTX *ctx, char **args) { return unanswered; }
static sfsistat on_rcpt(SMFICTX *ctx, char **args) { return SMFIS_CONTINUE; }
static sfsistat on_data(SMFICTX *ctx) { return SMFIS_ACCEPT; }
static sfsistat on_header(SMFICTX *ctx, char *name, char *value) { return SMFIS_NOREPLY; }
static sfsistat on_eoh(SMFICTX *ctx) { return SMFIS_NOREPLY; }
static sfsistat on_body(SMFICTX *ctx, unsigned char *chunk, size_t n) { return SMFIS_NOREPLY; }

/* The last recipient is the one that goes: the benchmark has one a mail. */
static sfsistat take_rcpt(SMFICTX *ctx, char **args)
{
	free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, strdup(args[0]));
	return SMFIS_CONTINUE;
}

static sfsistat take_data(SMFICTX *ctx) { return SMFIS_CONTINUE; }

static sfsistat take_eom(SMFICTX *ctx)
{
	char *rcpt = smfi_getpriv(ctx);
	if (rcpt == NULL || smfi_delrcpt(ctx, rcpt) != MI_SUCCESS)
		return SMFIS_TEMPFAIL;
	return SMFIS_ACCEPT;
}

static sfsistat take_close(SMFICTX *ctx)
{
	free(smfi_getpriv(ctx));
	smfi_setpriv(ctx, NULL);
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	struct smfiDesc filter = {
		.xxfi_name = "noop", .xxfi_version = SMFI_VERSION, .xxfi_flags = SMFIF_DELRCPT,
		.xxfi_connect = on_connect, .xxfi_envfrom = on_mail, .xxfi_envrcpt = on_rcpt,
		.xxfi_data = on_data,
	};
	if (argc < 2) {
		fprintf(stderr, "usage: %s SOCKET [lean|take] (SOCKET: inet:PORT@HOST or unix:PATH)\n", argv[0]);
		return EX_USAGE;
	}
	if (argc > 2) {
		unanswered = SMFIS_NOREPLY;
		filter.xxfi_header = on_header;
		filter.xxfi_eoh = on_eoh;
		filter.xxfi_body = on_body;
		filter.xxfi_negotiate = negotiate;
	}
	if (argc > 2 && strcmp(argv[2], "take") == 0) {
		filter.xxfi_envrcpt = take_rcpt;
		filter.xxfi_data = take_data;
		filter.xxfi_eom = take_eom;
		filter.xxfi_close = take_close;
	}
	if (smfi_register(filter) != MI_SUCCESS || smfi_setconn(argv[1]) != MI_SUCCESS)
		return EX_UNAVAILABLE;
	return smfi_main() == MI_SUCCESS ? EX_OK : EX_SOFTWARE;
}
