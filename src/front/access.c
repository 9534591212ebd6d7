/* front/access.c - see access.h */
#include "front/access.h"

#include "base/log.h"
#include "conf/acl.h"
#include "front/front.h"
#include "ipc/old_line.h"

enum { LISTS = 3, TEXT_MOST = 1024, PLACE_MOST = 256 };

/* The list that comes next, and its number for others. */
static const struct conf_acl *next_list(const struct front *f, const struct arrival *a)
{
	return a->list == 0 ? &a->server->acl : a->list == 1 ? &f->conf->acl : &f->conf->tcp_wrappers.list;
}

/* reason: of an entry with a program; else empty. */
static void log_denied(const struct arrival *a, const struct conf_acl_rule *r, struct slice reason)
{
	char text[ADDRESS_TEXT], place[PLACE_MOST], port[8];
	struct buf number = BUF(port);
	struct event e;

	buf_u64(&number, a->client.port);
	if (old_line(r->action == ACL_WRAPPERS ? OLD_WRAPPED : OLD_DENIED,
		     OLD(slice_str(address_text(&a->client, text)), buf_slice(&number))))
		return;
	event_new(&e, "access-denied");
	event_word(&e, "address", address_text(&a->client, text));
	event_u64(&e, "port", a->client.port);
	event_kv(&e, "rule", slice_str(acl_place(r, place, sizeof place)));
	if (reason.n > 0)
		event_kv(&e, "reason", reason);
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

/* Its program runs, and nobody waits for it. */
static void run(struct front *f, const struct arrival *a, const struct conf_acl_rule *r)
{
	char place[PLACE_MOST];
	struct why why = {""};

	if (arrivals_run(f, a, r, &why) != OK)
		log_line(LOG_ERR, "%s: %s is not run: %s", acl_place(r, place, sizeof place), r->word[0], why.text);
}

/* Its program decides. */
static enum access ask(struct front *f, const struct arrival *a, const struct conf_acl_rule *r)
{
	struct why why = {""};

	if (arrivals_ask(f, a, r, &why) == OK)
		return ACCESS_ASKED;
	log_denied(a, r, slice_str(why.text));
	return ACCESS_DENIED;
}

/* One entry that means the client. True: it decided, as *verdict says. */
static bool entry_apply(struct front *f, const struct arrival *a, const struct conf_acl_rule *r, enum access *verdict)
{
	*verdict = r->action == ACL_DENY ? ACCESS_DENIED : ACCESS_ALLOWED;
	if (r->action == ACL_DENY)
		log_denied(a, r, (struct slice){0});
	if (r->action == ACL_LOG)
		log_text(a, r);
	if (r->action == ACL_EXEC)
		run(f, a, r);
	if (r->action == ACL_IFEXEC || r->action == ACL_WRAPPERS)
		*verdict = ask(f, a, r);
	return acl_decides(r);
}

static void entry_debug(const struct arrival *a, const struct conf_acl_rule *r, bool means)
{
	char text[ADDRESS_TEXT], place[PLACE_MOST];

	debug(TOPIC_ACL, DEBUG_TRACE9, "%s: Does it match %s? %s", acl_place(r, place, sizeof place),
	      address_text(&a->client, text), means ? "yes" : "no");
}

/* One list from a->rule on. At its end whom it did not decide about is allowed. */
static enum access list_walk(struct front *f, const struct conf_acl *acl, struct arrival *a)
{
	enum access verdict = ACCESS_ALLOWED;
	bool decided = false;

	while (!decided && a->rule < acl->n) {
		const struct conf_acl_rule *r = &acl->rule[a->rule++];

		bool means = acl_means(r, &a->client);

		entry_debug(a, r, means);
		if (means)
			decided = entry_apply(f, a, r, &verdict);
	}
	return decided ? verdict : ACCESS_ALLOWED;
}

enum access access_walk(struct front *f, struct arrival *a)
{
	enum access verdict = ACCESS_ALLOWED;

	while (a->list < LISTS && (verdict = list_walk(f, next_list(f, a), a)) == ACCESS_ALLOWED) {
		a->list++;
		a->rule = 0;
	}
	return verdict;
}

enum access access_answered(struct front *f, struct arrival *a, const struct conf_acl_rule *r, bool allowed,
			    struct slice reason)
{
	if (!allowed) {
		log_denied(a, r, reason);
		return ACCESS_DENIED;
	}
	a->list++;
	a->rule = 0;
	return access_walk(f, a);
}
