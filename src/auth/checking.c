/* auth/checking.c - see checking.h */
#include "auth/checking.h"

#include <stdio.h>

#include "auth/schemes.h"
#include "base/debug.h"

/* All of it but the hash, as Mailutils shows it. */
static void record_debug(const struct record *r)
{
	debug(TOPIC_AUTH, DEBUG_TRACE1,
	      "source=%s, name=%.*s, passwd=***, uid=%u, gid=%u, dir=%.*s, mailbox=%.*s, place=%s",
	      r->source ? r->source->name : "none", /* which cannot be, once it was found */
	      (int)r->name.n, r->name.p, (unsigned)r->uid, (unsigned)r->gid, (int)r->home.n, r->home.p,
	      (int)r->mailbox.n, r->mailbox.p, r->place);
}

/* A setting that no stored text can be, in the key under which answers of a module are kept. */
static struct slice marker_of(const struct auth_module *m, char text[static SOURCE_MOST])
{
	int n = snprintf(text, SOURCE_MOST, "\1%s", m->name);

	return (struct slice){text, n > 0 && n < SOURCE_MOST ? (size_t)n : 1};
}

void checking_find(const struct chain *chain, const struct record *r, struct checking *c, struct why *why)
{
	c->by = chain_checker(chain, r, &c->how);
	record_debug(r);
	debug(TOPIC_AUTH, DEBUG_TRACE1, "Authenticating user %.*s, source %s", (int)r->name.n, r->name.p,
	      c->by ? c->by->name : "none");
	c->setting = c->how == CHECK_HASH     ? r->hash
		     : c->how == CHECK_SECRET ? r->secret
		     : c->how == CHECK_ASK    ? marker_of(c->by, c->marker)
					      : SLICE("");
	if (c->how == CHECK_HASH && r->hash.n > HASH_MOST)
		c->how = CHECK_NONE;
	if (r->refusal)
		(void)fail(why, ERR_AUTH, "%s", r->refusal);
	else if (c->how == CHECK_NONE)
		(void)fail(why, ERR_AUTH, c->by ? "no valid hash in %s" : "no authentication module for records of %s",
			   r->place);
	if (r->refusal || (c->how == CHECK_SECRET && scheme_check(c->setting, why) != OK))
		c->how = CHECK_NONE;
}
