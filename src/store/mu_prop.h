/* store/mu_prop.h - .mu-prop, in which Mailutils keeps what a Maildir or an MH folder has as a whole: lines "NAME: VALUE", an empty one behind the last
 *
 *	uidnext		the number that the next message gets; all that were given are below
 *	uid-validity	as in IMAP: when the numbers began
 *	version		of Mailutils; in Maildirs alone. Up to 3.10 letters in names of files meant something else
 *
 * Anything else stays. It is replaced by a rename, synced, before a message has a number. */
#pragma once
#include "base/slice.h"
#include "base/why.h"

enum { MU_PROP_MOST = 4096 };

struct mu_prop {
	uint32_t next, validity; /* 0: it does not say */
	bool there;
	bool old; /* of a Maildir of Mailutils up to 3.10, or of none that is known */
	size_t n;
	char text[MU_PROP_MOST];
};

/* Of the directory. No file is none of an error, and a file that is not understood is one. */
enum err mu_prop_read(int dir, struct mu_prop *p, struct why *why);

/* Numbers below `next' have been given: writes the file, if it does not say so already. maildir: a new one has a version. */
enum err mu_prop_write(int dir, struct mu_prop *p, uint32_t next, bool maildir, struct why *why);
