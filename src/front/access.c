/* front/access.c - see access.h */
#include "front/access.h"

#include "base/log.h"
#include "conf/acl.h"
#include "front/front.h"
#include "ipc/old_line.h"

enum { LISTS = 2, TEXT_MOST = 1024, PLACE_MOST = 256 };

/* The list that comes next, and its number for others. */
static const struct conf_acl *next_list(const struct front *f, const struct arrival *a)
{
	return a->list == 0 ? &a->server->acl : &f->conf->acl;
}

static void log_denied(const struct arrival *a, const struct conf_acl_rule *r)
{
	char text[ADDRESS_TEXT], place[PLACE_MOST], port[8];
	struct buf number = BUF(port);
	struct event e;

	buf_u64(&number, a->client.port);
	if (old_line(OLD_DENIED, OLD(slice_str(address_text(&a->client, text)), buf_slice(&number))))
		return;
	event_new(&e, "access-denied");
	event_word(&e, "address", address_text(&a->client, text));
	event_u64(&e, "port", a->client.port);
	event_kv(&e, "rule", slice_str(acl_place(r, place, sizeof place)));
	event_log(&e, LOG_NOTICE);
}

/* The text of a `log', or the address where it has none. */
static void log_text(const struct arrival *a, const struct conf_acl_rule *r)
{
	char text[TEXT_MOST], place[PLACE_MOST];
	struct buf b = BUF(text);
	struct why why = {""};

	if (acl_expand(&b, r, r->text ? r->text : "$address", &a->client, &why) != OK)
		log_line(LOG_ERR, "%s: %s", acl_place(r, place, sizeof place), why.text);
	else
		log_line(LOG_INFO, "%.*s", (int)b.len, b.p);
}

/* One entry that means the client. True: it decided, as *verdict says. */
static bool entry_apply(const struct arrival *a, const struct conf_acl_rule *r, enum access *verdict)
{
	*verdict = r->action == ACL_DENY ? ACCESS_DENIED : ACCESS_ALLOWED;
	if (r->action == ACL_DENY)
		log_denied(a, r);
	if (r->action == ACL_LOG)
		log_text(a, r);
	return acl_decides(r);
}

static void entry_debug(const struct arrival *a, const struct conf_acl_rule *r, bool means)
{
	char text[ADDRESS_TEXT], place[PLACE_MOST];

	debug(TOPIC_ACL, DEBUG_TRACE9, "%s: Does it match %s? %s", acl_place(r, place, sizeof place),
	      address_text(&a->client, text), means ? "yes" : "no");
}

/* One list from a->rule on. At its end whom it did not decide about is allowed. */
static enum access list_walk(const struct conf_acl *acl, struct arrival *a)
{
	enum access verdict = ACCESS_ALLOWED;
	bool decided = false;

	while (!decided && a->rule < acl->n) {
		const struct conf_acl_rule *r = &acl->rule[a->rule++];

		bool means = acl_means(r, &a->client);

		entry_debug(a, r, means);
		if (means)
			decided = entry_apply(a, r, &verdict);
	}
	return decided ? verdict : ACCESS_ALLOWED;
}

enum access access_walk(struct front *f, struct arrival *a)
{
	enum access verdict = ACCESS_ALLOWED;

	for (; verdict == ACCESS_ALLOWED && a->list < LISTS; a->list++, a->rule = 0)
		verdict = list_walk(next_list(f, a), a);
	return verdict;
}
