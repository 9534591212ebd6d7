/* conf/apply.c - see apply.h */
#include "conf/apply.h"

#include <string.h>

#include "conf/acl.h"

/* The block whose statements are looked at: its path is for people, its group is where the table has its rows. */
struct scope {
	const char *path, *group;
	void *base;
};

bool apply_defaults(struct conf *cf, const char *group, void *base)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++) {
		struct setting s = {
			.st = st, .base = base, .member = (char *)base + st->at, .cf = cf, .arena = cf->arena};

		if (strcmp(st->group, group) == 0 && !setting_default(&s, NULL))
			return false;
	}
	return true;
}

/* An access list that some clients leave undecided. */
static void notice_open_list(struct apply *a, const char *path, const struct conf_acl *acl)
{
	const struct conf_acl_rule *last = acl->n > 0 ? &acl->rule[acl->n - 1] : NULL;
	struct conf_notice *more = array_room(a->cf->arena, a->notice, a->nnotices, sizeof *more);

	if (!acl->given || !acl_is_open(acl))
		return;
	if (!more) {
		a->no_memory = true;
		return;
	}
	a->notice = more;
	a->notice[a->nnotices++] = (struct conf_notice){.statement = path,
							.file = last ? last->file : NULL,
							.line = last ? last->line : 0,
							.says = " allows those that none of its entries decides about; "
								"make `allow any' or `deny any' the last one"};
}

/* "; did you mean `x'?" for the nearest of the words, or nothing. */
static const char *hint_word(const struct words *words, const char *given, char *dst, size_t cap)
{
	struct nearest n = nearest_new(given);

	for (const struct word *w = words ? words->word : NULL; w && w->name; w++)
		nearest_try(&n, w->name);
	if (n.best && n.distance > 0)
		snprintf(dst, cap, "; did you mean `%s'?", n.best);
	else
		dst[0] = '\0';
	return dst;
}

static void bad_value(struct apply *a, const struct setting *s, const struct node *n, const struct why *why)
{
	const char *says = s->st->says ? s->st->says : why->text, *given = node_text(n);
	bool only_modules = a->report->only_modules || a->report->errors == 0;
	char expected[400], hint[64];

	kind_expected(s->st, expected, sizeof expected);
	report_error(a->report, &n->at, "%s; %s %s%s", says,
		     slice_starts(slice_str(says), SLICE("expected")) ? "it takes" : "expected", expected,
		     hint_word(s->st->words, given ? given : "", hint, sizeof hint));
	a->report->only_modules = s->unknown_module && only_modules;
}

static void apply_statement(struct apply *a, const struct scope *sc, const struct node *n, const struct statement *st)
{
	struct why why = {""};
	struct setting s = {.st = st,
			    .values = n->values,
			    .base = sc->base,
			    .member = (char *)sc->base + st->at,
			    .cf = a->cf,
			    .arena = a->cf->arena,
			    .report = a->report,
			    .at = &n->at};

	if (setting_apply(&s, &why) != OK) {
		bad_value(a, &s, n, &why);
		return;
	}
	if (strcmp(st->keyword, "retry-timeout") == 0)
		report_warning(a->report, &n->at, "retry-timeout is deprecated, please use retry-sleep instead");
}

/* Where else a keyword would be right; NULL: nowhere. */
static const char *other_place(const char *keyword)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++)
		if (strcmp(st->keyword, keyword) == 0)
			return *st->group ? st->group : "the top level";
	for (const struct block *b = blocks; b < blocks + blocks_n; b++)
		if (strcmp(b->keyword, keyword) == 0)
			return *b->parent ? b->parent : "the top level";
	return NULL;
}

static void unknown(struct apply *a, const struct scope *sc, const struct node *n)
{
	struct nearest near = nearest_new(n->keyword);
	const char *what = n->block ? "section" : "keyword", *place = other_place(n->keyword);
	bool is_block = block_find(sc->group, n->keyword) != NULL,
	     is_row = statement_find(sc->group, n->keyword) != NULL;

	for (const struct statement *st = statements; st < statements + statements_n; st++)
		if (strcmp(st->group, sc->group) == 0)
			nearest_try(&near, st->keyword);
	for (const struct block *b = blocks; b < blocks + blocks_n; b++)
		if (strcmp(b->parent, sc->group) == 0)
			nearest_try(&near, b->keyword);
	if (is_block)
		report_error(a->report, &n->at, "unknown %s `%s'; it is a section, expected `{'", what, n->keyword);
	else if (is_row)
		report_error(a->report, &n->at, "unknown %s `%s'; it is a statement, expected a value and `;'", what,
			     n->keyword);
	else if (near.best && near.distance > 0)
		report_error(a->report, &n->at, "unknown %s `%s'; did you mean `%s'?", what, n->keyword, near.best);
	else if (place)
		report_error(a->report, &n->at, "unknown %s `%s'; it belongs into %s", what, n->keyword, place);
	else
		report_error(a->report, &n->at, "unknown %s `%s'; expected one that %s%s has (see --config-help)", what,
			     n->keyword, *sc->path ? "section " : "the top level", sc->path);
}

/* Another program of Mailutils reads it. */
static void foreign(struct apply *a, const struct node *n)
{
	if (a->verbose)
		report_note(a->report, &n->at, "section `%s' is of another program, ignored", n->keyword);
}

static void apply_nodes(struct apply *a, const struct scope *sc, const struct node *n);

static void apply_block(struct apply *a, const struct scope *sc, const struct node *n, const struct block *b)
{
	char path[128];
	const struct scope inside = {.path = statement_path(path, sizeof path, sc->path, b->keyword),
				     .group = b->group,
				     .base = (char *)sc->base + b->at};

	if (b->given)
		*((bool *)((char *)sc->base + b->given)) = true;
	apply_nodes(a, &inside, n->child);
}

static bool is_server(const struct scope *sc, const struct node *n)
{
	return n->block && *sc->group == '\0' && strcmp(n->keyword, "server") == 0;
}

/* Blocks nest in the table no deeper than two: this goes no deeper than that. */
static void apply_nodes(struct apply *a, const struct scope *sc, const struct node *n)
{
	for (; n; n = n->next) {
		const struct block *b = n->block ? block_find(sc->group, n->keyword) : NULL;
		const struct statement *st = n->block ? NULL : statement_find(sc->group, n->keyword);

		if (is_server(sc, n))
			continue;
		if (b)
			apply_block(a, sc, n, b);
		else if (st)
			apply_statement(a, sc, n, st);
		else if (n->block && *sc->group == '\0' && is_foreign_block(n->keyword))
			foreign(a, n);
		else
			unknown(a, sc, n);
	}
}

/* A certificate without a word about TLS means that it is offered. */
static enum tls_mode tls_default(const struct conf_tls *tls)
{
	return tls->certificate_file ? TLS_ONDEMAND : TLS_NO;
}

/* A server has what is global where it says nothing itself. */
static bool server_init(struct apply *a, struct conf_server *sv, const struct node *n)
{
	struct conf *cf = a->cf;
	const char *label = node_text(n);

	*sv = (struct conf_server){.line = n->at.from.line};
	sv->label = arena_str(cf->arena, slice_str(label ? label : ""));
	if (n->at.file)
		sv->file = arena_str(cf->arena, slice_str(n->at.file));
	if (!sv->label || (n->at.file && !sv->file) || !apply_defaults(cf, "server", sv) ||
	    !apply_defaults(cf, "tls", &sv->tls))
		return false;
	sv->timeout = cf->timeout;
	sv->transcript = cf->transcript;
	sv->single_process = cf->single_process;
	sv->tls_mode = cf->tls_mode;
	return true;
}

static void apply_server(struct apply *a, const struct node *n)
{
	struct conf *cf = a->cf;
	struct conf_server *more = array_room(cf->arena, cf->servers, cf->nservers, sizeof *more);
	struct why why = {""};

	if (!more || !server_init(a, &more[cf->nservers], n)) {
		a->no_memory = true;
		return;
	}
	cf->servers = more;
	struct conf_server *sv = &more[cf->nservers++];
	const struct scope sc = {.path = "server", .group = "server", .base = sv};

	apply_nodes(a, &sc, n->child);
	if (!sv->tls.given)
		sv->tls = cf->tls;
	if (sv->tls_mode == TLS_UNSET)
		sv->tls_mode = tls_default(&sv->tls);
	if (!node_text(n))
		report_error(a->report, &n->at, "expected string value; it takes the address of the server");
	else if (server_address(sv, cf->port.n, a->report, &n->at, &why) != OK)
		report_error(a->report, &n->at,
			     "%s; expected IP, HOST, :PORT, \"[IPv6]\" with or without :PORT, or unix:///PATH",
			     why.text);
}

void apply_tree(struct apply *a, const struct tree *t)
{
	struct conf *cf = a->cf;
	const struct scope top = {.path = "", .group = "", .base = cf};
	struct why why;

	for (const struct node *n = t->pragma; n; n = n->next)
		if (conf_debug_spec(&cf->debug.level, slice_str(n->values->text), &why) != OK)
			report_warning(a->report, &n->at, "%s", why.text);
	apply_nodes(a, &top, t->first);
	for (const struct node *n = t->first; n && !a->no_memory; n = n->next)
		if (is_server(&top, n))
			apply_server(a, n);
	if (cf->tls_mode == TLS_UNSET)
		cf->tls_mode = tls_default(&cf->tls);
	notice_open_list(a, "acl", &cf->acl);
	for (size_t i = 0; i < cf->nservers; i++)
		notice_open_list(a, "server.acl", &cf->servers[i].acl);
}

static bool is_secret(const char *keyword)
{
	for (const struct statement *st = statements; st < statements + statements_n; st++)
		if (st->kind == KIND_SECRET && strcmp(st->keyword, keyword) == 0)
			return true;
	return false;
}

void mark_secrets(struct node *n)
{
	for (; n; n = n->next) {
		n->secret = !n->block && is_secret(n->keyword);
		mark_secrets(n->child);
	}
}
