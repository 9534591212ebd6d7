/* ipc/old_line.h - log lines as Mailutils' pop3d writes them, for `logging { compatible yes; }'
 *
 * Whoever reads its log with a program of his own goes on doing so. One table has the texts; the process that knows the
 * facts writes the line instead of ours, in which the same is said. Where Mailutils says nothing our line stays, as do
 * failed logins beside its texts, which have no address: fail2ban needs one. */
#pragma once
#include <stdbool.h>

#include "base/slice.h"

enum old_line {
	/* auth */
	OLD_LOGIN,       /* name, module */
	OLD_NONEXISTENT, /* user as typed */
	OLD_WRONG,       /* user as typed */
	OLD_APOP_NONE,   /* user as typed */
	OLD_APOP_WRONG,  /* user as typed */
	OLD_NO_INFO,     /* user as typed, reason */
	OLD_NO_CHECK,    /* user as typed, reason */
	OLD_TOO_SOON,    /* name */
	/* store */
	OLD_OPENED_ONE,        /* name, mailbox */
	OLD_OPENED,            /* name, mailbox, number */
	OLD_IN_USE,            /* mailbox, reason */
	OLD_NOT_OPENED,        /* mailbox, reason */
	OLD_BULLETINS,         /* name, number of the last one, how many there are */
	OLD_BULLETIN_ONE,      /* name */
	OLD_BULLETINS_PENDING, /* name, number */
	/* front; who: "user: NAME", or "no user" */
	OLD_PROBE,          /* user as typed */
	OLD_ENDED,          /* who */
	OLD_READ_TIMED_OUT, /* nothing more */
	OLD_TIMED_OUT,      /* who */
	OLD_READ_EOF,
	OLD_PROTOCOL_ERROR,
	OLD_READ_FAILED,
	OLD_IO_ERROR,
	OLD_TLS,     /* cipher, version */
	OLD_NO_TLS,  /* reason */
	OLD_CROWDED, /* number of clients */
	OLD_DENIED,  /* address, port */
	OLD_WRAPPED, /* address, port: by TCP wrappers */
	/* master */
	OLD_FINISHED, /* process, code, text */
	OLD_KILLED,   /* process, signal */
	OLD_SIGNAL,   /* its text */
	OLD_LINES
};

enum { OLD_ARGS = 3 };

/* Writes the line. False: nobody asked for old lines, and the caller writes his own. */
bool old_line(enum old_line which, const struct slice args[OLD_ARGS]);

/* old_line(OLD_LOGIN, OLD(name, module)); what is left out is empty. */
#define OLD(...) ((const struct slice[OLD_ARGS]){__VA_ARGS__})
