/* front/ending.c - see ending.h */
#include "front/ending.h"

#include <string.h>
#include <sysexits.h>

/* The reasons that sessions end for; the first row that fits counts. */
static const struct {
	const char *reason; /* NULL: any other */
	bool opened;        /* only where there is a maildrop */
	int status;
} endings[] = {
	{"quit", false, EX_OK},
	{"shutdown", false, EX_OK},
	{"timeout", false, EX_TEMPFAIL},
	{"slow client", false, EX_TEMPFAIL},
	{"replies not acknowledged", false, EX_TEMPFAIL},
	{"taken over", false, EX_TEMPFAIL},
	{"disconnected", true, EX_PROTOCOL},
	{"connection lost", true, EX_PROTOCOL},
	{"disconnected", false, EX_OK},
	{"connection lost", false, EX_OK},
	{"too many failed logins", false, EX_OK},
	{"no TLS", false, EX_IOERR},
	{"octets in the clear behind STLS", false, EX_IOERR},
	{"no memory", false, EX_OSERR},
	{NULL, false, EX_SOFTWARE}, /* mail that cannot be read or deleted, processes that ended */
};

int session_status(const struct session *s)
{
	size_t i = 0;

	if (s->tls.reason && s->reason == s->tls.reason)
		return s->opened ? EX_PROTOCOL : EX_IOERR;
	while (endings[i].reason && (strcmp(endings[i].reason, s->reason) != 0 || (endings[i].opened && !s->opened)))
		i++;
	return endings[i].status;
}
