/* tools/auth_say.c - see auth.h */
#include <inttypes.h>
#include <stdio.h>

#include "tools/auth.h"

/* What is no printable ASCII as \xNN, as in the log: a line is one line, and a terminal takes no orders from a server. */
static void put_shown(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] >= 0x20 && text.p[i] < 0x7F)
			(void)putchar(text.p[i]);
		else
			(void)printf("\\x%02X", (unsigned char)text.p[i]);
}

void say_chain(const char *title)
{
	(void)printf("%s:\n", title);
}

void say_module(const char *name, const char *answer, int64_t ms, const char *why)
{
	if (ms < 0)
		(void)printf("  %-12s %-20s %10s", name, answer, "");
	else
		(void)printf("  %-12s %-20s %7" PRId64 " ms", name, answer, ms);
	if (why[0]) {
		(void)fputs("  ", stdout);
		put_shown(slice_str(why));
	}
	(void)putchar('\n');
}

const char *say_found(enum err err)
{
	static const char *const answer[ERR_COUNT] = {
		[OK] = "found",
		[ERR_AUTH] = "not found",
		[ERR_TEMP] = "temporarily failed",
		[ERR_PERM] = "failed",
	};

	return answer[err] ? answer[err] : "failed";
}

static void say_field(const char *name, struct slice value)
{
	(void)printf("  %-12s ", name);
	put_shown(value);
	(void)putchar('\n');
}

static void say_quota(struct slice text)
{
	uint64_t octets;

	if (!quota_read(text, &octets)) {
		say_field("quota", text);
		(void)printf("  %-12s %s\n", "", "which is no number, and no limit");
	} else if (octets == UINT64_MAX) {
		say_field("quota", SLICE("none"));
	} else {
		(void)printf("  %-12s %" PRIu64 " octets\n", "quota", octets);
	}
}

void say_record(const struct record *r)
{
	(void)printf("record of %s:\n", r->source->name);
	say_field("place", slice_str(r->place));
	say_field("name", r->name);
	if (r->key.n > 0)
		say_field("kept as", r->key);
	(void)printf("  %-12s %u\n  %-12s %u\n", "uid", (unsigned)r->uid, "gid", (unsigned)r->gid);
	say_field("home", r->home);
	say_field("maildrop", r->mailbox);
	say_quota(r->quota);
}

void say_client(enum err err, const char *more)
{
	static const char *const reply[ERR_COUNT] = {
		[OK] = "+OK",
		[ERR_AUTH] = "-ERR [AUTH]",
		[ERR_TEMP] = "-ERR [SYS/TEMP]",
		[ERR_PERM] = "-ERR [SYS/PERM]",
	};

	(void)printf("a client hears %s%s\n", reply[err] ? reply[err] : "-ERR", more);
}
