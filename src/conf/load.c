/* conf/load.c - reading a configuration from beginning to end, and its life after that (conf.h) */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "conf/apply.h"

enum { CONF_OCTETS_MOST = 256 << 20 };

struct conf_priv {
	struct conf_notice *notice;
	size_t nnotices;
};

static void wipe(void *cf)
{
	conf_wipe_secrets(cf, NULL);
}

static bool all_defaults(struct conf *cf)
{
	bool fine = apply_defaults(cf, "", cf) && apply_defaults(cf, "auth.cache", cf) &&
		    apply_defaults(cf, "tls", &cf->tls);

	/* Sections of the top level; of those with a struct of their own, the defaults are set where one is made. */
	for (const struct block *b = blocks; b < blocks + blocks_n && fine; b++)
		if (*b->parent == '\0' && b->at == 0 && strcmp(b->group, "server") != 0)
			fine = apply_defaults(cf, b->group, cf);
	return fine;
}

struct conf *conf_default(void)
{
	struct arena *arena = arena_new(CONF_OCTETS_MOST);
	struct conf *cf = arena ? arena_zero(arena, sizeof *cf) : NULL;

	if (cf) {
		cf->arena = arena;
		cf->priv = arena_zero(arena, sizeof(struct conf_priv));
	}
	if (!cf || !cf->priv || !arena_defer(arena, wipe, cf) || !all_defaults(cf)) {
		arena_free(arena);
		return NULL;
	}
	return cf;
}

void conf_free(struct conf *cf)
{
	if (cf)
		arena_free(cf->arena);
}

void conf_wipe_secrets(struct conf *cf, const char *but)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++)
		if (st->kind == KIND_SECRET && !(but && strcmp(st->group, but) == 0))
			secret_wipe((struct secret *)((char *)cf + st->at));
}

bool conf_numbers_bulletins(const struct conf *cf)
{
	return cf->bulletin_source && cf->bulletin_db;
}

bool conf_keeps_state(const struct conf *cf)
{
	return cf->login_delay.n > 0 || conf_numbers_bulletins(cf);
}

const struct conf_notice *conf_notices(const struct conf *cf, size_t *n)
{
	const struct conf_priv *priv = cf->priv;

	*n = priv->nnotices;
	return priv->notice;
}

const char *conf_notice_text(const struct conf_notice *notice, char *dst, size_t cap)
{
	struct buf b = {.p = dst, .cap = cap - 1};

	if (notice->file) {
		buf_str(&b, notice->file);
		buf_char(&b, ':');
		buf_u64(&b, notice->line);
		buf_str(&b, ": ");
	}
	buf_str(&b, "statement ");
	buf_str(&b, notice->statement);
	buf_str(&b, notice->says);
	dst[b.len] = '\0';
	return dst;
}

static void keep_notices(struct conf *cf, const struct apply *a)
{
	struct conf_priv *priv = cf->priv;

	priv->notice = a->notice; /* in its arena */
	priv->nnotices = a->nnotices;
}

static bool chain_settle(struct conf *cf, const char *keyword, struct conf_list *chain)
{
	struct setting s = {
		.st = statement_find("auth", keyword), .base = cf, .member = chain, .cf = cf, .arena = cf->arena};

	if (chain->n > 0)
		return true;
	/* Cleared and not filled again: as if nothing had been said. */
	bool fine = setting_default(&s, NULL);

	chain->given = false;
	return fine;
}

static void accuracy_settle(struct conf *cf, struct report *report)
{
	const char *word = getenv("MU_AUTODETECT_ACCURACY");
	struct value v = {.text = word};
	struct setting s = {.st = statement_find("mailbox", "autodetect-accuracy"),
			    .values = &v,
			    .base = cf,
			    .member = &cf->mailbox.autodetect_accuracy,
			    .cf = cf,
			    .arena = cf->arena,
			    .report = report};
	struct why why;

	if (cf->mailbox.autodetect_accuracy == ACCURACY_AUTO && word && setting_apply(&s, &why) != OK)
		report_warning(report, NULL, "MU_AUTODETECT_ACCURACY: %s", why.text);
	if (cf->mailbox.autodetect_accuracy == ACCURACY_AUTO)
		cf->mailbox.autodetect_accuracy = ACCURACY_DEFAULT;
}

/* TCP wrappers are a list with one entry, whose program is the library. */
static bool wrappers_settle(struct conf *cf)
{
	struct conf_acl_rule *rule = arena_zero(cf->arena, sizeof *rule);
	const char **word = arena_zero(cf->arena, WRAPPERS_WORDS * sizeof *word);

	cf->tcp_wrappers.enable &= cf->tcp_wrappers.given;
	if (!cf->tcp_wrappers.enable)
		return true;
	if (!rule || !word)
		return false;
	word[WRAPPERS_NAME] = "libwrap";
	word[WRAPPERS_DAEMON] = cf->tcp_wrappers.daemon;
	word[WRAPPERS_ALLOW] = cf->tcp_wrappers.allow_table;
	word[WRAPPERS_DENY] = cf->tcp_wrappers.deny_table;
	*rule = (struct conf_acl_rule){
		.action = ACL_WRAPPERS, .family = AF_UNSPEC, .number = 1, .word = word, .words = WRAPPERS_WORDS};
	cf->tcp_wrappers.list = (struct conf_acl){.given = true, .rule = rule, .n = 1};
	return true;
}

/* What depends on several statements, once all are known. False: no memory. */
static bool settle(struct conf *cf, const struct conf_source *src, struct report *report)
{
	const char *program = arena_str(cf->arena, slice_str(src->program));

	if (!program || !chain_settle(cf, "authorization", &cf->auth.authorization) ||
	    !chain_settle(cf, "authentication", &cf->auth.authentication))
		return false;
	accuracy_settle(cf, report);
	if (!cf->logging.tag)
		cf->logging.tag = program;
	if (!cf->tcp_wrappers.daemon)
		cf->tcp_wrappers.daemon = program;
	cf->ldap.enable &= cf->ldap.given;
	cf->mandatory_locking.enable &= cf->mandatory_locking.given;
	for (size_t i = 0; i < cf->nservers; i++)
		cf->single_process |= cf->servers[i].single_process;
	return wrappers_settle(cf);
}

static int load_into(struct conf *cf, const struct conf_source *src, struct tree *t)
{
	struct apply a = {.cf = cf, .report = t->report, .verbose = src->verbose > 0};

	tree_read(t, src);
	for (size_t i = 0; i < src->nset; i++)
		tree_set(t, src->program, src->set[i]);
	mark_secrets(t->first);
	if (src->verbose > 1)
		tree_dump(t->report->f, t->first);
	if (!t->no_memory)
		apply_tree(&a, t);
	if (t->no_memory || a.no_memory || !settle(cf, src, t->report)) {
		report_error(t->report, NULL, "not enough memory for the configuration");
		return EX_OSERR;
	}
	keep_notices(cf, &a);
	if (t->report->errors > 0)
		return t->report->only_modules ? 1 : EX_CONFIG;
	return 0;
}

int conf_load(const struct conf_source *src, struct conf **out)
{
	struct report report = {.f = src->err ? src->err : stderr, .program = src->program};
	struct arena *arena = arena_new(TREE_OCTETS_MOST);
	struct conf *cf = arena ? conf_default() : NULL;
	struct tree t;
	int status = EX_OSERR;

	if (cf) {
		tree_init(&t, arena, &report);
		status = load_into(cf, src, &t);
	} else {
		report_error(&report, NULL, "not enough memory for the configuration");
	}
	if (arena)
		arena_wipe(arena);
	arena_free(arena);
	if (status != 0) {
		conf_free(cf);
		cf = NULL;
	}
	*out = cf;
	return status;
}

/* A server that has what is said for all. */
static bool server_plain(struct conf *cf, struct conf_server *sv, const char *label)
{
	*sv = (struct conf_server){.label = label};
	if (!apply_defaults(cf, "server", sv))
		return false;
	sv->timeout = cf->timeout;
	sv->transcript = cf->transcript;
	sv->tls_mode = cf->tls_mode;
	sv->tls = cf->tls;
	return true;
}

static bool server_any(struct conf *cf, struct conf_server *sv, const char *label)
{
	struct why why;

	return server_plain(cf, sv, label) && server_address(sv, cf->port.n, NULL, NULL, &why) == OK;
}

/* One client, whom somebody else has accepted: what is said for servers, and limits, are not for it. */
static int finish_inetd(struct conf *cf)
{
	cf->servers = arena_zero(cf->arena, sizeof *cf->servers);
	if (!cf->servers || !server_plain(cf, &cf->servers[0], "<inetd>"))
		return EX_OSERR;
	cf->nservers = 1;
	cf->max_children = cf->max_per_address = 0;
	return 0;
}

static int finish_servers(struct conf *cf)
{
	if (cf->mode == MODE_INETD)
		return finish_inetd(cf);
	if (cf->nservers > 0)
		return 0;
	cf->servers = arena_zero(cf->arena, 2 * sizeof *cf->servers);
	if (!cf->servers || !server_any(cf, &cf->servers[0], "0.0.0.0") || !server_any(cf, &cf->servers[1], "[::]"))
		return EX_OSERR;
	cf->nservers = 2;
	return 0;
}

int conf_finish(struct conf *cf)
{
	int status = finish_servers(cf);

	if (cf->expire_days == 0)
		cf->delete_expired = true; /* nothing may stay */
	return status == 0 && !local_names_find(cf) ? EX_OSERR : status;
}
