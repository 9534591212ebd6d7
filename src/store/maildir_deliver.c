/* store/maildir_deliver.c - what we put into a Maildir: made in tmp/, synced, and linked into new/. See delivery.h */
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/delivery.h"
#include "store/maildir.h"

/* SECONDS.MmicrosecondsPprocessQcount.HOST, as maildir(5) wants it, where / and : of HOST stand as \057 and \072. */
static enum err new_name(void *arg, char name[static NAME_OCTETS + 1], struct why *why)
{
	static unsigned count;
	char host[65] = "";
	struct buf b = {.p = name, .cap = NAME_OCTETS};
	int64_t now_us = clock_wall_ns() / 1000;

	(void)arg;
	(void)why;
	if (gethostname(host, sizeof host - 1) < 0 || !host[0])
		(void)snprintf(host, sizeof host, "localhost");
	int n = snprintf(name, NAME_OCTETS, "%lld.M%06lldP%dQ%u.", (long long)(now_us / 1000000),
			 (long long)(now_us % 1000000), (int)getpid(), ++count);

	b.len = n > 0 ? (size_t)n : 0;
	for (const char *p = host; *p; p++)
		if (*p == '/' || *p == ':')
			buf_str(&b, *p == '/' ? "\\057" : "\\072");
		else
			buf_char(&b, *p);
	name[b.len] = '\0';
	return OK;
}

static const struct delivery_place place = {
	.made_dir = "tmp/", .made = "bulletin-", .dir = "new/", .name = new_name, .rules = MAILDIR_RULES};

enum err maildir_deliver(const struct maildrop *md, const struct delivery *d, struct why *why)
{
	return delivery_by_link(md, d, &place, why);
}

enum err maildir_find_delivered(const struct maildrop *md, const struct due *due, bool in[], struct why *why)
{
	return delivery_find_links(md, due, &place, in, why);
}

void maildir_end_delivery(const struct maildrop *md, const struct due *due)
{
	delivery_end_links(md, due, &place);
}
