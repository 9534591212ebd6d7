/* tests/store/test_contract.c - what store/driver.h promises, for every driver
 *
 * Each test is a sentence of the contract. What differs between formats is how other programs deliver, rename, rewrite and
 * remove: a row of `subjects`. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "shim.h"

struct subject {
	const struct store_driver *driver;
	void (*box)(struct box *b);
	void (*deliver)(const struct box *b, int n, const char *text); /* message n stands behind n - 1 */
	void (*mark)(const struct box *b, int n); /* as read: it has another name or place, and is the same message */
	void (*rewrite)(const struct box *b, int n, const char *text);
	void (*remove)(const struct box *b, int n);
	bool (*has)(const struct box *b, int n);
	const char *(*part)(int n); /* of the path under which message n is opened, before it is marked */
};

static const char *maildir_name(const char *dir, int n, const char *flags)
{
	static char names[4][64];
	static unsigned next;
	char *name = names[next++ % 4];

	check(snprintf(name, sizeof names[0], "%s/17676000%02d.M1P1.host%s", dir, n, flags) < (int)sizeof names[0]);
	return name;
}

static void maildir_deliver(const struct box *b, int n, const char *text)
{
	box_put(b, "tmp/delivery", text);
	box_rename(b, "tmp/delivery", maildir_name("new", n, ""));
}

static const char *maildir_where(const struct box *b, int n)
{
	static const struct {
		const char *dir, *flags;
	} places[] = {{"new", ""}, {"cur", ":2,S"}, {"cur", ":2,RS"}};

	for (size_t i = 0; i < TABLE_ROWS(places); i++)
		if (box_has(b, maildir_name(places[i].dir, n, places[i].flags)))
			return maildir_name(places[i].dir, n, places[i].flags);
	return NULL;
}

static void maildir_mark(const struct box *b, int n)
{
	const char *from = maildir_where(b, n);

	check(from != NULL);
	box_rename(b, from, maildir_name("cur", n, strstr(from, ":2,S") ? ":2,RS" : ":2,S"));
}

static void maildir_rewrite(const struct box *b, int n, const char *text)
{
	const char *name = maildir_where(b, n);

	check(name != NULL);
	box_put(b, "tmp/rewritten", text);
	box_rename(b, "tmp/rewritten", name);
}

static void maildir_remove(const struct box *b, int n)
{
	const char *name = maildir_where(b, n);

	check(name != NULL);
	box_remove(b, name);
}

static bool maildir_has(const struct box *b, int n)
{
	return maildir_where(b, n);
}

static const char *maildir_part(int n)
{
	return maildir_name("new", n, "") + sizeof "new";
}

/* ---- MH: message n has the number 10 (n + 1), and one more for each time that it was renumbered ---- */

static const char *mh_name(int n, int marks)
{
	static char names[4][16];
	static unsigned next;
	char *name = names[next++ % 4];

	check(snprintf(name, sizeof names[0], "%d", 10 * (n + 1) + marks) > 0);
	return name;
}

static void mh_deliver(const struct box *b, int n, const char *text)
{
	box_put(b, "rcvstore1", text);
	box_rename(b, "rcvstore1", mh_name(n, 0));
}

static const char *mh_where(const struct box *b, int n, int *marks)
{
	for (*marks = 0; *marks < 10; ++*marks)
		if (box_has(b, mh_name(n, *marks)))
			return mh_name(n, *marks);
	return NULL;
}

static void mh_mark(const struct box *b, int n)
{
	int marks;
	const char *from = mh_where(b, n, &marks);

	check(from != NULL);
	box_rename(b, from, mh_name(n, marks + 1));
}

static void mh_rewrite(const struct box *b, int n, const char *text)
{
	int marks;
	const char *name = mh_where(b, n, &marks);

	check(name != NULL);
	box_put(b, "rewritten", text);
	box_rename(b, "rewritten", name);
}

static void mh_remove(const struct box *b, int n)
{
	int marks;
	const char *name = mh_where(b, n, &marks);

	check(name != NULL);
	box_remove(b, name);
}

static bool mh_has(const struct box *b, int n)
{
	int marks;

	return mh_where(b, n, &marks);
}

static const char *mh_part(int n)
{
	return mh_name(n, 0);
}

/* ---- mbox: other programs write all of the file ---- */

enum { PARTS = 8 };

struct part {
	bool there;
	char sender[64]; /* m3@example.org, and an x for each mark */
	char text[64];
};

static void mbox_load(const struct box *b, struct part parts[PARTS])
{
	memset(parts, 0, PARTS * sizeof *parts);
	for (const char *p = box_mbox(b); *p;) {
		const char *text = strchr(p, '\n') + 1, *next = strstr(text - 1, "\n\nFrom m");
		struct part *part = &parts[p[6] - '0'];
		size_t n = next ? (size_t)(next + 1 - text) : strlen(text);

		if (!next && n > 1 && strcmp(text + n - 2, "\n\n") == 0)
			n--;
		part->there = true;
		check(sscanf(p, "From %63s", part->sender) == 1 && n < sizeof part->text);
		memcpy(part->text, text, n);
		p = next ? next + 2 : text + strlen(text);
	}
}

/* The last one stays without an end if it was. */
static void mbox_store(const struct box *b, const struct part parts[PARTS])
{
	char text[PARTS * 256] = "";
	struct buf out = BUF(text);
	bool ended = true;

	for (int n = 0; n < PARTS; n++) {
		size_t len = strlen(parts[n].text);

		if (!parts[n].there)
			continue;
		buf_str(&out, ended ? "" : "\n\n");
		buf_str(&out, "From ");
		buf_str(&out, parts[n].sender);
		buf_str(&out, " Mon Jan  5 10:00:00 2026\n");
		buf_str(&out, parts[n].text);
		ended = len == 0 || parts[n].text[len - 1] == '\n';
		buf_str(&out, ended ? "\n" : "");
	}
	buf_char(&out, '\0');
	check(!out.full);
	box_write(b, text);
}

static void mbox_change(const struct box *b, int n, const char *text)
{
	struct part parts[PARTS];

	mbox_load(b, parts);
	parts[n].there = true;
	if (!parts[n].sender[0])
		check(snprintf(parts[n].sender, sizeof parts[n].sender, "m%d@example.org", n) > 0);
	check(snprintf(parts[n].text, sizeof parts[n].text, "%s", text) < (int)sizeof parts[n].text);
	mbox_store(b, parts);
}

static void mbox_mark(const struct box *b, int n)
{
	struct part parts[PARTS];

	mbox_load(b, parts);
	strncat(parts[n].sender, "x", 2);
	mbox_store(b, parts);
}

static void mbox_remove(const struct box *b, int n)
{
	struct part parts[PARTS];

	mbox_load(b, parts);
	check(parts[n].there);
	parts[n].there = false;
	mbox_store(b, parts);
}

static bool mbox_has(const struct box *b, int n)
{
	struct part parts[PARTS];

	mbox_load(b, parts);
	return parts[n].there;
}

static const char *mbox_part(int n)
{
	(void)n;
	return "box"; /* of "mbox", and "mailbox" */
}

/* ---- dotmail: likewise; message 3 begins with `A: 3' ---- */

/* Lines of a body that begin with a dot get one more. Nothing at all cannot be stored: then it is an empty line. */
static void dotmail_put(struct buf *out, const char *text)
{
	const char *body = strstr(text, "\n\n");

	buf_str(out, text[0] ? "" : "\n");
	for (const char *p = text; *p; p++) {
		if (*p == '.' && body && p > body && p[-1] == '\n')
			buf_char(out, '.');
		buf_char(out, *p);
	}
}

static void dotmail_load(const struct box *b, struct part parts[PARTS])
{
	int number = 0;

	memset(parts, 0, PARTS * sizeof *parts);
	for (const char *p = box_mbox(b); *p;) {
		if (*p != '\n')
			number = p[3] - '0';
		struct part *part = &parts[number++];
		char line[64];
		int n;

		part->there = true;
		for (; sscanf(p, "%63[^\n]%n", line, &n) == 1 || *p == '\n'; p += n + (p[n] == '\n')) {
			n = *p == '\n' ? 0 : n;
			if (n == 1 && *p == '.')
				break;
			strncat(part->text, p + (n > 1 && *p == '.'),
				(size_t)(n + (p[n] == '\n') - (n > 1 && *p == '.')));
		}
		p += *p == '.' ? 2 : 0;
	}
}

/* The last one stays without a dot if it has no end. */
static void dotmail_store(const struct box *b, const struct part parts[PARTS])
{
	char text[PARTS * 256] = "";
	struct buf out = BUF(text);
	bool ended = true;

	for (int n = 0; n < PARTS; n++) {
		size_t len = strlen(parts[n].text);

		if (!parts[n].there)
			continue;
		buf_str(&out, ended ? "" : "\n.\n");
		dotmail_put(&out, parts[n].text);
		ended = len == 0 || parts[n].text[len - 1] == '\n';
		buf_str(&out, ended ? ".\n" : "");
	}
	buf_char(&out, '\0');
	check(!out.full);
	box_write(b, text);
}

static void dotmail_change(const struct box *b, int n, const char *text)
{
	struct part parts[PARTS];

	dotmail_load(b, parts);
	parts[n].there = true;
	check(snprintf(parts[n].text, sizeof parts[n].text, "%s", text) < (int)sizeof parts[n].text);
	dotmail_store(b, parts);
}

/* Written anew. */
static void dotmail_mark(const struct box *b, int n)
{
	struct part parts[PARTS];

	dotmail_load(b, parts);
	check(parts[n].there);
	dotmail_store(b, parts);
}

static void dotmail_remove(const struct box *b, int n)
{
	struct part parts[PARTS];

	dotmail_load(b, parts);
	check(parts[n].there);
	parts[n].there = false;
	dotmail_store(b, parts);
}

static bool dotmail_has(const struct box *b, int n)
{
	struct part parts[PARTS];

	dotmail_load(b, parts);
	return parts[n].there;
}

/* The octets that a format has of a text. */
static const char *stored(const struct subject *s, const char *text)
{
	static char octets[256];
	struct buf out = BUF(octets);

	if (s->driver != &dotmail_driver)
		return text;
	dotmail_put(&out, text);
	buf_char(&out, '\0');
	check(!out.full);
	return octets;
}

static const struct subject subjects[] = {
	{&maildir_driver, box_new, maildir_deliver, maildir_mark, maildir_rewrite, maildir_remove, maildir_has,
	 maildir_part},
	{&mh_driver, box_new_mh, mh_deliver, mh_mark, mh_rewrite, mh_remove, mh_has, mh_part},
	{&mbox_driver, box_new_mbox, mbox_change, mbox_mark, mbox_change, mbox_remove, mbox_has, mbox_part},
	{&dotmail_driver, box_new_dotmail, dotmail_change, dotmail_mark, dotmail_change, dotmail_remove, dotmail_has,
	 mbox_part},
};

/* Runs `test` for every driver, each in a box with three messages. */
static void for_each(void (*test)(const struct subject *s, struct box *b))
{
	for (size_t i = 0; i < TABLE_ROWS(subjects); i++) {
		struct box b;

		shim_reset();
		subjects[i].box(&b);
		subjects[i].deliver(&b, 1, "A: 1\n\none\n");
		subjects[i].deliver(&b, 2, "A: 2\n\ntwo\n.\n");
		subjects[i].deliver(&b, 3, "A: 3\nX-UIDL: mine\n\nthree");
		check_row(i, subjects[i].driver->name, box_open(&b) == OK);
		check_row(i, subjects[i].driver->name, b.md.driver == subjects[i].driver);
		test(&subjects[i], &b);
		shim_reset();
		box_free(&b);
	}
}

static struct message message(const struct box *b, uint32_t i)
{
	struct message m;

	box_message(b, i, &m);
	return m;
}

static bool same_uidl(const struct message *a, const struct message *b)
{
	return slice_eq(listing_uidl(&a->rec), listing_uidl(&b->rec));
}

/* ---- detect and create ---- */

static void detects_what_it_creates(const struct subject *s, struct box *b)
{
	const char *const others[] = {b->top, "/dev/null"};
	struct maildrop md;

	check(maildrop_find(&md, slice_str(b->path), &b->setup, &b->why) == OK);
	check(md.driver == s->driver);
	maildrop_close(&md);
	for (size_t i = 0; i < TABLE_ROWS(others); i++) {
		check_row(i, others[i], maildrop_find(&md, slice_str(others[i]), &b->setup, &b->why) == ERR_PERM);
		check_row(i, others[i], md.fd == -1);
	}
}

static void creates_all_or_nothing(const struct subject *s, struct box *b)
{
	char path[128];
	unsigned steps = 0;

	if (!s->driver->create)
		return;
	for (unsigned at = 1; at <= steps + 1; at++) {
		check(snprintf(path, sizeof path, "%s/fresh%u", b->top, at) < (int)sizeof path);
		shim_reset();
		shim.what = SHIM_ERROR;
		shim.at = at;
		shim.error = ENOSPC;
		enum err err = s->driver->create(path, &b->why);

		if (shim.changes > steps)
			steps = shim.changes;
		check_row(at, path, (err == OK) == (access(path, F_OK) == 0));
		check_row(at, path, err == (shim.changes < at ? OK : ERR_TEMP));
	}
	check(steps > 0);
}

static void creates_no_parents_and_replaces_nothing(const struct subject *s, struct box *b)
{
	char path[128];

	if (!s->driver->create)
		return;
	check(snprintf(path, sizeof path, "%s/no/parent", b->top) < (int)sizeof path);
	check(s->driver->create(path, &b->why) != OK);
	check(s->driver->create(b->path, &b->why) != OK);
	check(box_open(b) == OK && b->md.index.count == 3);
}

/* ---- stamp ---- */

static void stamps_change_with_the_mail(const struct subject *s, struct box *b)
{
	struct stamp before[STAMPS], after[STAMPS];

	check(s->driver->stamp(&b->md, before, &b->why) == OK);
	check(s->driver->stamp(&b->md, after, &b->why) == OK);
	check(memcmp(before, after, sizeof before) == 0);
	s->deliver(b, 4, "A: 4\n\n");
	check(s->driver->stamp(&b->md, after, &b->why) == OK);
	check(memcmp(before, after, sizeof before) != 0);
	memcpy(before, after, sizeof before);
	s->remove(b, 1);
	check(s->driver->stamp(&b->md, after, &b->why) == OK);
	check(memcmp(before, after, sizeof before) != 0);
}

/* ---- scan ---- */

static void scans_in_order_with_exact_sizes(const struct subject *s, struct box *b)
{
	static const struct {
		uint64_t octets, lines;
		const char *text;
	} facts[] = {{13, 3, "A: 1\n\none\n"}, {16, 4, "A: 2\n\ntwo\n.\n"}, {15, 3, "A: 3\nX-UIDL: mine\n\nthree"}};
	uint64_t octets = 0;

	check(b->md.index.count == TABLE_ROWS(facts));
	for (uint32_t i = 0; i < TABLE_ROWS(facts); i++) {
		struct message m = message(b, i);

		const char *kept = stored(s, facts[i].text);

		check_row(i, facts[i].text, strcmp(box_text(b, i), kept) == 0);
		check_row(i, facts[i].text, m.rec.octets == facts[i].octets);
		check_row(i, facts[i].text, m.rec.lines == facts[i].lines);
		check_row(i, facts[i].text, m.rec.crc == listing_crc(0, slice_str(kept)));
		check_row(i, facts[i].text, listing_is_sane(&m.rec));
		octets += m.rec.octets;
		for (uint32_t k = 0; k < i; k++) {
			struct message other = message(b, k);

			check_row(i, facts[i].text, !same_uidl(&m, &other));
		}
	}
	check(b->md.index.octets == octets);
}

static void keeps_what_is_known(const struct subject *s, struct box *b)
{
	struct message before[3] = {message(b, 0), message(b, 1), message(b, 2)};

	s->mark(b, 1);
	s->mark(b, 3);
	s->mark(b, 3);
	s->deliver(b, 0, "A: 0\n\n");
	s->deliver(b, 4, "A: 4\n\nfour\n");
	shim_reset();
	check(box_open(b) == OK);
	check(shim.reads == 2 || s->driver->in_one_file);
	check(b->md.index.count == 5);
	for (uint32_t i = 0; i < 3; i++) {
		struct message m = message(b, i + 1);

		check_row(i, m.name, same_uidl(&m, &before[i]));
		check_row(i, m.name, s->driver->in_one_file || memcmp(&m.rec, &before[i].rec, sizeof m.rec) == 0);
	}
	s->remove(b, 2);
	check(box_open(b) == OK);
	check(b->md.index.count == 4);
	struct message third = message(b, 2);

	check(same_uidl(&third, &before[2]));
}

/* The same unique-ids when nothing is known. */
static void names_messages_for_ever(const struct subject *s, struct box *b)
{
	struct message before[3] = {message(b, 0), message(b, 1), message(b, 2)};

	s->mark(b, 2);
	b->setup.index = INDEX_OFF;
	check(box_open(b) == OK);
	for (uint32_t i = 0; i < 3; i++) {
		struct message m = message(b, i);

		check_row(i, m.name, same_uidl(&m, &before[i]));
	}
}

static void fails_rather_than_leave_one_out(const struct subject *s, struct box *b)
{
	static const int errors[] = {EACCES, EIO, EMFILE, ENFILE, ENOMEM, ESTALE};

	s->deliver(b, 4, "A: 4\n\nfour\n");
	for (size_t i = 0; i < TABLE_ROWS(errors); i++) {
		shim.path = s->part(4);
		shim.path_error = errors[i];
		enum err err = box_open(b);

		check_row(i, strerror(errors[i]), err == (errors[i] == EACCES ? ERR_PERM : ERR_TEMP));
		check_row(i, b->why.text, strstr(b->why.text, s->part(4)));
	}
	shim_reset();
	check(box_open(b) == OK && b->md.index.count == 4);
}

/* ---- body ---- */

static void finds_a_message_where_it_went(const struct subject *s, struct box *b)
{
	s->mark(b, 1);
	check(strcmp(box_text(b, 0), "A: 1\n\none\n") == 0);
	s->mark(b, 1);
	check(strcmp(box_text(b, 0), "A: 1\n\none\n") == 0);
}

static void tells_a_message_that_has_gone(const struct subject *s, struct box *b)
{
	s->remove(b, 2);
	check(strcmp(box_text(b, 0), "A: 1\n\none\n") == 0);
	check(strcmp(box_text(b, 1), "") == 0);
	check(strcmp(box_text(b, 2), "A: 3\nX-UIDL: mine\n\nthree") == 0);
}

static void tells_a_message_that_has_changed(const struct subject *s, struct box *b)
{
	static const char *const others[] = {"A: 2\n\ntoo\n.\n", "A: 2\n\ntwo\n", "A: 2\n\ntwo\n.\nmore\n", ""};

	for (size_t i = 0; i < TABLE_ROWS(others); i++) {
		s->rewrite(b, 2, others[i]);
		check_row(i, others[i], strcmp(box_text(b, 1), "") == 0);
	}
	check(box_open(b) == OK);
	check(b->md.index.count == 3 && strcmp(box_text(b, 1), stored(s, "")) == 0);
	s->rewrite(b, 2, "A: 2\n\nnew\n");
	check(box_open(b) == OK);
	check(strcmp(box_text(b, 1), "A: 2\n\nnew\n") == 0);
}

/* ---- commit ---- */

static void deletes_these_and_no_others(const struct subject *s, struct box *b)
{
	struct message third = message(b, 2);
	struct outcome out;

	s->deliver(b, 4, "A: 4\n\nfour\n"); /* during the session */
	check(box_commit(b, "dd-", &out) == OK);
	check(out.deleted == 2 && out.failed == 0);
	check(!s->has(b, 1) && !s->has(b, 2) && s->has(b, 3) && s->has(b, 4));
	check(box_open(b) == OK);
	check(b->md.index.count == 2);
	struct message first = message(b, 0);

	check(same_uidl(&first, &third));
	check(strcmp(box_text(b, 1), "A: 4\n\nfour\n") == 0);
}

static void deletes_what_was_renamed(const struct subject *s, struct box *b)
{
	struct outcome out;

	s->mark(b, 1);
	s->mark(b, 3);
	s->mark(b, 3);
	check(box_commit(b, "d-d", &out) == OK);
	check(out.deleted == 2 && !s->has(b, 1) && s->has(b, 2) && !s->has(b, 3));
}

static void counts_what_is_gone_already(const struct subject *s, struct box *b)
{
	struct outcome out;

	/* Which message of a file is gone and which was changed, nobody can tell. */
	unsigned failed = s->driver->in_one_file != NULL;

	s->remove(b, 1);
	check((box_commit(b, "dd-", &out) == OK) == !failed);
	check(out.deleted == 2 - failed && out.failed == failed && !s->has(b, 2) && s->has(b, 3));
}

static void leaves_what_has_changed(const struct subject *s, struct box *b)
{
	struct outcome out;

	s->rewrite(b, 1, "A: 1\n\nother\n");
	s->rewrite(b, 2, "A: 2\n\ntwo\n.\n"); /* a copy of the same mail is the same mail */
	check(box_commit(b, "ddd", &out) != OK);
	check(out.deleted == 2 && out.failed == 1);
	check(s->has(b, 1) && !s->has(b, 2) && !s->has(b, 3));
}

static void writes_nothing_for_nothing(const struct subject *s, struct box *b)
{
	struct outcome out;

	(void)s;
	shim_reset();
	check(box_commit(b, "---", &out) == OK);
	check(shim.changes == 0 && out.deleted == 0);
}

#define FOR_EACH(name)                                                                                                 \
	static void test_##name(void **state)                                                                          \
	{                                                                                                              \
		(void)state;                                                                                           \
		for_each(name);                                                                                        \
	}
FOR_EACH(detects_what_it_creates)
FOR_EACH(creates_all_or_nothing)
FOR_EACH(creates_no_parents_and_replaces_nothing)
FOR_EACH(stamps_change_with_the_mail)
FOR_EACH(scans_in_order_with_exact_sizes)
FOR_EACH(keeps_what_is_known)
FOR_EACH(names_messages_for_ever)
FOR_EACH(fails_rather_than_leave_one_out)
FOR_EACH(finds_a_message_where_it_went)
FOR_EACH(tells_a_message_that_has_gone)
FOR_EACH(tells_a_message_that_has_changed)
FOR_EACH(deletes_these_and_no_others)
FOR_EACH(deletes_what_was_renamed)
FOR_EACH(counts_what_is_gone_already)
FOR_EACH(leaves_what_has_changed)
FOR_EACH(writes_nothing_for_nothing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detects_what_it_creates),
		cmocka_unit_test(test_creates_all_or_nothing),
		cmocka_unit_test(test_creates_no_parents_and_replaces_nothing),
		cmocka_unit_test(test_stamps_change_with_the_mail),
		cmocka_unit_test(test_scans_in_order_with_exact_sizes),
		cmocka_unit_test(test_keeps_what_is_known),
		cmocka_unit_test(test_names_messages_for_ever),
		cmocka_unit_test(test_fails_rather_than_leave_one_out),
		cmocka_unit_test(test_finds_a_message_where_it_went),
		cmocka_unit_test(test_tells_a_message_that_has_gone),
		cmocka_unit_test(test_tells_a_message_that_has_changed),
		cmocka_unit_test(test_deletes_these_and_no_others),
		cmocka_unit_test(test_deletes_what_was_renamed),
		cmocka_unit_test(test_counts_what_is_gone_already),
		cmocka_unit_test(test_leaves_what_has_changed),
		cmocka_unit_test(test_writes_nothing_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
