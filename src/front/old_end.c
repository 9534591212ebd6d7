/* front/old_end.c - the end of a session in Mailutils' words (ipc/old_line.h) */
#include <string.h>

#include "base/log.h"
#include "front/session.h"
#include "ipc/old_line.h"

/* How a session ended, and one or two lines about it. Of one that ended before a login Mailutils may say nothing. */
static const struct {
	const char *reason;
	bool silent_before_login, has_more;
	enum old_line line, more;
} ends[] = {
	{"quit", false, false, OLD_ENDED, OLD_ENDED},
	{"timeout", false, true, OLD_READ_TIMED_OUT, OLD_TIMED_OUT},
	{"disconnected", true, true, OLD_READ_EOF, OLD_PROTOCOL_ERROR},
	{"connection lost", true, true, OLD_READ_FAILED, OLD_IO_ERROR},
};

/* The arguments of all of them: whom the session was of, or why reading failed. */
static void tell(const struct session *s, enum old_line which)
{
	char text[NAME_MOST + sizeof "user: "];
	struct buf who = BUF(text);

	buf_str(&who, s->opened ? "user: " : "no user");
	buf_put(&who, s->opened ? s->name : SLICE(""));
	(void)old_line(which, OLD(which == OLD_READ_FAILED ? SLICE("Connection reset by peer") : buf_slice(&who)));
}

bool session_old_end(const struct session *s)
{
	const char *reason = s->reason ? s->reason : "";
	size_t i = 0;

	while (i < sizeof ends / sizeof *ends && strcmp(reason, ends[i].reason) != 0)
		i++;
	if (i == sizeof ends / sizeof *ends || !log_current()->compatible)
		return false;
	if (ends[i].line == OLD_ENDED && !s->opened && s->user.n > 0)
		(void)old_line(OLD_PROBE, OLD(s->user));
	if (ends[i].silent_before_login && !s->opened)
		return true;
	tell(s, ends[i].line);
	if (ends[i].has_more)
		tell(s, ends[i].more);
	return true;
}
