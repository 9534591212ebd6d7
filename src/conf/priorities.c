/* conf/priorities.c - ssl-priorities: what GnuTLS calls it, and what OpenSSL does (kinds.h)
 *
 *	STRING = KEYWORD { ":" KEYWORD | ":" ("+" | "-" | "!") WORD | ":" FLAG }
 *
 * A keyword (NORMAL, ...) begins anew with its own words, in the order that GnuTLS 3.7 lists them in; `+' puts words at the
 * end, `-' and `!' take them away. A word that OpenSSL has nothing for may be taken away and not asked for; what NORMAL and
 * others have of these in GnuTLS (TLS 1.0 and 1.1, SHA-1 signatures) is left out. So a string never gives less security
 * here than there. */
#include <string.h>

#include "conf/kinds.h"
#include "conf/priority_words.h"

/* The words that are chosen, in order; each list ends with NULL, and has room for all words: none is in it twice. */
struct choice {
	const struct priority_word *of[LISTS][PRIORITY_WORDS + 1];
};

static bool is_chosen(const struct choice *c, enum priority_list list, const char *name)
{
	for (const struct priority_word *const *w = c->of[list]; *w; w++)
		if (strcmp((*w)->name, name) == 0)
			return true;
	return false;
}

static void put(struct choice *c, const struct priority_word *w)
{
	const struct priority_word **at = c->of[w->list];

	while (*at && *at != w)
		at++;
	*at = w;
}

static void take_away(struct choice *c, const struct priority_word *w)
{
	const struct priority_word **at = c->of[w->list];

	while (*at && *at != w)
		at++;
	for (; *at; at++)
		at[0] = at[1];
}

static const struct priority_word *word_row_find(struct slice name)
{
	for (const struct priority_word *w = priority_words; w->name; w++)
		if (slice_eq_nocase(slice_str(w->name), name))
			return w;
	return NULL;
}

static const struct priority_several *several_find(struct slice name)
{
	for (const struct priority_several *m = priority_several; m->name; m++)
		if (slice_eq_nocase(slice_str(m->name), name))
			return m;
	return NULL;
}

static void change_several(struct choice *c, const struct priority_several *m,
			   void (*change)(struct choice *, const struct priority_word *))
{
	struct slice text = slice_str(m->words);

	for (struct slice word = word_take(&text); word.n > 0; word = word_take(&text)) {
		const struct priority_word *w = word_row_find(word);

		if (w)
			change(c, w);
	}
}

static enum err unknown(const char *given, struct why *why)
{
	struct nearest near = nearest_new(given);

	for (const struct priority_word *w = priority_words; w->name; w++)
		nearest_try(&near, w->name);
	for (const struct priority_several *m = priority_several; m->name; m++)
		nearest_try(&near, m->name);
	for (const struct priority_flag *f = priority_flags; f->name; f++)
		nearest_try(&near, f->name);
	return fail(why, ERR_PERM, "`%.64s' is no priority that has an equal in OpenSSL%s%s%s", given,
		    near.best ? "; did you mean `" : "", near.best ? near.best : "", near.best ? "'?" : "");
}

/* A word behind its sign. */
static enum err change(struct choice *c, char sign, struct slice name, struct why *why)
{
	const struct priority_word *w = word_row_find(name);
	const struct priority_several *m = several_find(name);
	char text[64];

	if (m) {
		change_several(c, m, sign == '+' ? put : take_away);
		return OK;
	}
	if (!w)
		return unknown(slice_cstr(name, text, sizeof text) ? text : "", why);
	if (w->list == FIXED && (sign == '+') != (w->openssl != NULL))
		return sign == '+' ? fail(why, ERR_PERM, "`+%s' has no equal in OpenSSL", w->name)
				   : fail(why, ERR_PERM, "`%c%s' cannot be taken away", sign, w->name);
	if (sign == '+' && !w->openssl)
		return fail(why, ERR_PERM, "`+%s' has no equal in OpenSSL with TLS 1.2 and 1.3", w->name);
	if (w->openssl && w->list != FIXED)
		(sign == '+' ? put : take_away)(c, w);
	return OK;
}

static enum err flag_set(struct conf_priorities *p, struct slice name, struct why *why)
{
	char text[64];

	for (const struct priority_flag *f = priority_flags; f->name; f++) {
		if (!slice_eq_nocase(slice_str(f->name), name))
			continue;
		if (f->at != PRIORITY_NOTHING)
			*((bool *)p + f->at) = true;
		return OK;
	}
	return unknown(slice_cstr(name, text, sizeof text) ? text : "", why);
}

static enum err read_one(struct choice *c, struct conf_priorities *p, struct slice text, struct why *why)
{
	const struct priority_several *m = several_find(text);
	char word[64];

	if (text.n > 1 && text.p[0] == '%')
		return flag_set(p, text, why);
	if (text.n > 1 && (text.p[0] == '+' || text.p[0] == '-' || text.p[0] == '!'))
		return change(c, text.p[0], (struct slice){text.p + 1, text.n - 1}, why);
	if (!m || !m->is_keyword)
		return unknown(slice_cstr(text, word, sizeof word) ? word : "", why);
	*c = (struct choice){0};
	change_several(c, m, put);
	return OK;
}

/* Appends a name to a list with colons, once. */
static void put_name(struct buf *b, const char *name)
{
	struct slice rest = buf_slice(b);

	while (rest.n > 0)
		if (slice_eq(slice_take(&rest, ':'), slice_str(name)))
			return;
	if (b->len > 0)
		buf_char(b, ':');
	buf_str(b, name);
}

static void put_names(struct buf *b, const struct choice *c, enum priority_list list)
{
	for (const struct priority_word *const *w = c->of[list]; *w; w++)
		if (*(*w)->openssl)
			put_name(b, (*w)->openssl);
}

static void put_suite(struct buf *b, const char *kx, const char *cipher, const char *mac)
{
	for (const struct priority_suite *s = priority_suites; s->kx; s++)
		if (strcmp(s->kx, kx) == 0 && strcmp(s->cipher, cipher) == 0 && strcmp(s->mac, mac) == 0)
			put_name(b, s->openssl);
}

/* As GnuTLS orders them: by key exchange, then cipher, then MAC. */
static void put_suites(struct buf *b, const struct choice *c)
{
	for (const struct priority_word *const *kx = c->of[KX]; *kx; kx++)
		for (const struct priority_word *const *cipher = c->of[CIPHER]; *cipher; cipher++)
			for (const struct priority_word *const *mac = c->of[MAC]; *mac; mac++)
				put_suite(b, (*kx)->name, (*cipher)->name, (*mac)->name);
}

void conf_gnutls_name(struct buf *out, const char *suite)
{
	const char *cipher = suite, *mac = NULL;

	for (const struct priority_word *w = priority_words; w->name; w++)
		if (w->list == CIPHER && w->openssl && strcmp(w->openssl, suite) == 0) {
			cipher = w->name;
			mac = "AEAD";
		}
	for (const struct priority_suite *s = priority_suites; s->kx; s++)
		if (strcmp(s->openssl, suite) == 0) {
			cipher = s->cipher;
			mac = s->mac;
		}
	buf_str(out, cipher);
	if (mac) {
		buf_char(out, '-');
		buf_str(out, mac);
	}
}

enum { NAMES_OCTETS = 2048 }; /* all suites together are shorter */

static bool keep_names(struct arena *a, const char **to, struct buf *b)
{
	*to = arena_str(a, buf_slice(b));
	b->len = 0;
	return *to && !b->full;
}

static enum err translate(struct arena *a, const struct choice *c, struct conf_priorities *p, struct why *why)
{
	char names[NAMES_OCTETS];
	struct buf b = BUF(names);
	bool fine;

	put_suites(&b, c);
	fine = keep_names(a, &p->ciphers, &b);
	if (is_chosen(c, MAC, "AEAD"))
		put_names(&b, c, CIPHER);
	fine &= keep_names(a, &p->ciphersuites, &b);
	put_names(&b, c, GROUP);
	fine &= keep_names(a, &p->groups, &b);
	put_names(&b, c, SIGN);
	fine &= keep_names(a, &p->sigalgs, &b);
	if (!fine)
		return fail(why, ERR_TEMP, "not enough memory");
	p->tls12 = is_chosen(c, VERSION, "VERS-TLS1.2") && *p->ciphers;
	p->tls13 = is_chosen(c, VERSION, "VERS-TLS1.3") && *p->ciphersuites;
	return OK;
}

enum err priorities_parse(struct setting *s, const char *text, struct why *why)
{
	struct conf_priorities p = {.text = arena_str(s->arena, slice_str(text))};
	struct slice rest = slice_str(text);
	struct choice c = {0};
	enum err err = p.text ? OK : fail(why, ERR_TEMP, "not enough memory");

	do
		err = err == OK ? read_one(&c, &p, slice_trim(slice_take(&rest, ':')), why) : err;
	while (err == OK && rest.n > 0);
	if (err == OK)
		err = translate(s->arena, &c, &p, why);
	if (err != OK)
		return err;
	if (!p.tls12 && !p.tls13)
		return fail(why, ERR_PERM, "these priorities leave no cipher of TLS 1.2 or 1.3");
	if (!*p.groups || !*p.sigalgs)
		return fail(why, ERR_PERM, "these priorities leave no %s (+%s-ALL)",
			    *p.groups ? "signature algorithm" : "group", *p.groups ? "SIGN" : "GROUP");
	*(struct conf_priorities *)s->member = p;
	return OK;
}
