/* tests/store/test_flags.c - flags and numbers of messages, as Mailutils writes them: store/flags.h */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "box.h"
#include "check.h"
#include "shim.h"
#include "store/flags.h"
#include "store/maildir.h"
#include "store/uidl.h"

enum { MESSAGES_MOST = 6 };

/* ---- names in a Maildir ---- */

static const struct {
	const char *name;
	bool read;
	const char *becomes; /* the number is 7 where it has none */
} names[] = {
	{"1.M1.h", false, "1.M1.h,a=O,u=7:2,"},
	{"1.M1.h", true, "1.M1.h,a=O,u=7:2,S"},
	{"1.M1.h:2,", true, "1.M1.h,a=O,u=7:2,S"},
	{"1.M1.h:2,FT", true, "1.M1.h,a=O,u=7:2,FST"},
	{"1.M1.h:2,RS", true, "1.M1.h,a=O,u=7:2,RS"},
	{"1.M1.h:2,RS", false, "1.M1.h,a=O,u=7:2,RS"},
	{"1.M1.h,S=20,W=22:2,F", false, "1.M1.h,S=20,W=22,a=O,u=7:2,F"},
	{"1.M1.h,u=3,S=20:2,", false, "1.M1.h,S=20,a=O,u=3:2,"},
	{"1.M1.h,a=FO,u=3:2,F", true, "1.M1.h,a=FO,u=3:2,FS"},
	{"1.M1.h,a=RA,u=0", false, "1.M1.h,a=AOR,u=7:2,"},
	{"1.M1.h,a=1,u=x,z", false, "1.M1.h,a=1,u=x,z,a=O,u=7:2,"},
	{"1.M1.h,a=O,u=4294967295:2,S", true, "1.M1.h,a=O,u=4294967295:2,S"},
	{"a=O", false, "a=O,a=O,u=7:2,"},
};

static void test_names(void **state)
{
	char to[NAME_OCTETS + 1], name[NAME_OCTETS + 1];

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(names); i++) {
		struct maildir_name was, is;

		check_row(i, names[i].name, maildir_flagged_name(slice_str(names[i].name), 7, names[i].read, to));
		check_row(i, to, strcmp(to, names[i].becomes) == 0);
		maildir_name_parse(&was, slice_str(names[i].name));
		maildir_name_parse(&is, slice_str(to));
		check_row(i, to, was.stable_len == is.stable_len && !memcmp(was.stable, is.stable, is.stable_len));
		strcpy(name, to);
		check_row(i, to, maildir_flagged_name(slice_str(name), 8, names[i].read, to) && strcmp(to, name) == 0);
	}
	memset(name, 'x', NAME_OCTETS);
	check(!maildir_flagged_name((struct slice){name, NAME_OCTETS}, 7, false, to));
	check(maildir_flagged_name((struct slice){name, NAME_OCTETS - 11}, 7, false, to) && strlen(to) == NAME_OCTETS);
	check(!maildir_flagged_name((struct slice){name, NAME_OCTETS - 10}, 7, false, to));
}

/* ---- headers ---- */

static const struct {
	const char *about, *before[MESSAGES_MOST], *behind[MESSAGES_MOST]; /* @ is a time */
} mailboxes[] = {
	{"new mail",
	 {"A: 1\n\nb\n", "A: 2\nX-Status: Z\n\nb\n"},
	 {"A: 1\nX-IMAPbase:           @                    3\nX-UID: 1\nStatus: OR\n\nb\n",
	  "A: 2\nX-UID: 2\nStatus: O\nX-Status: Z\n\nb\n"}},
	{"letters stay",
	 {"A: 1\nStatus: AF\n\nb\n", "Status: O\nA: 2\nstatus: x\n  y\n\nb\n"},
	 {"A: 1\nX-IMAPbase:           @                    3\nX-UID: 1\nStatus: AFOR\n\nb\n",
	  "A: 2\nX-UID: 2\nStatus: O\n\nb\n"}},
	{"what is there stays as it is",
	 {"X-IMAPbase: 17 9\nStatus: RO\nX-UID: 4\nA: 1\n\nb\n", "X-UID: 8\nStatus: O\nA: 2\n\nb\n"},
	 {"X-IMAPbase: 17 9\nStatus: RO\nX-UID: 4\nA: 1\n\nb\n", "X-UID: 8\nStatus: O\nA: 2\n\nb\n"}},
	{"mail that has come",
	 {"X-IMAPbase: 17 9\nX-UID: 4\nStatus: RO\nA: 1\n\nb\n", "A: 2\n\nb\n"},
	 {"X-UID: 4\nStatus: RO\nA: 1\nX-IMAPbase:                   17                   10\n\nb\n",
	  "A: 2\nX-UID: 9\nStatus: O\n\nb\n"}},
	{"in another order",
	 {"X-IMAPbase: 17 10\nX-UID: 3\n\nb\n", "X-UID: 7\n\nb\n", "X-UID: 5\n\nb\n"},
	 {"X-IMAPbase:           @                   11\nStatus: OR\nX-UID: 3\n\nb\n", "Status: O\nX-UID: 7\n\nb\n",
	  "X-UID: 10\nStatus: O\n\nb\n"}},
	{"one that was never given",
	 {"X-IMAPbase: 17 5\nX-UID: 5\n\nb\n"},
	 {"X-IMAPbase:           @                    6\nStatus: OR\nX-UID: 5\n\nb\n"}},
	{"the first one is gone",
	 {"X-UID: 3\nStatus: OR\n\nb\n", "X-UID: 4\nStatus: O\n\nb\n"},
	 {"X-IMAPbase:           @                    3\nX-UID: 1\nStatus: OR\n\nb\n", "X-UID: 2\nStatus: O\n\nb\n"}},
	{"several of them",
	 {"A: 1\n\nb\n", "X-UID: 3\nX-IMAPbase: 5 6\nA: 2\nX-UID: 4\nStatus: R\n\nb\n"},
	 {"A: 1\nX-IMAPbase:           @                    3\nX-UID: 1\nStatus: OR\n\nb\n",
	  "A: 2\nX-UID: 2\nStatus: OR\n\nb\n"}},
	{"no numbers",
	 {"X-IMAPbase: 4294967295 4294967295\nX-UID: 99999999999\n\nb\n"},
	 {"X-IMAPbase:           @                    2\nX-UID: 1\nStatus: OR\n\nb\n"}},
	{"no end of a header",
	 {"A: 1\n\nb\n", "A: 2\n"},
	 {"A: 1\nX-IMAPbase:           @                    2\nX-UID: 1\nStatus: OR\n\nb\n", "A: 2\n"}},
};

/* Whether they are the same, but that @ stands for any ten digits. */
static bool matches(const char *is, const char *pattern)
{
	for (; *pattern; pattern++)
		if (*pattern == '@') {
			if (strspn(is, "0123456789") != 10)
				return false;
			is += 10;
		} else if (*is++ != *pattern) {
			return false;
		}
	return *is == '\0';
}

static void put_mbox(const struct box *b, const char *text)
{
	box_append(b, "From a Mon Jan  5 10:00:00 2026\n");
	box_append(b, text);
	box_append(b, "\n");
}

static void test_mailboxes(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(mailboxes); i++) {
		struct listing_rec shown[MESSAGES_MOST];
		struct outcome out;
		struct box b;
		uint32_t n;

		shim_reset();
		shim.later_s = 10;
		box_new_mbox(&b);
		box_write_flags(&b);
		for (n = 0; n < MESSAGES_MOST && mailboxes[i].before[n]; n++)
			put_mbox(&b, mailboxes[i].before[n]);
		check_row(i, mailboxes[i].about, box_open(&b) == OK && b.md.index.count == n);
		for (uint32_t k = 0; k < n; k++) {
			struct message m;

			box_message(&b, k, &m);
			shown[k] = m.rec;
		}
		maildrop_retrieved(&b.md, 1, 1, RETRIEVED_SEEN);
		check_row(i, mailboxes[i].about, maildrop_due(&b.md) == 0);
		check_row(i, b.why.text, box_commit(&b, "", &out) == OK);
		shim.later_s += 10;
		shim.reads = 0;
		check_row(i, mailboxes[i].about, box_open(&b) == OK && b.md.index.count == n && shim.reads == 0);
		check_row(i, mailboxes[i].about, maildrop_due(&b.md) == UINT64_MAX);
		for (uint32_t k = 0; k < n; k++) {
			struct message m;

			check_row(i, box_text(&b, k), matches(box_text(&b, k), mailboxes[i].behind[k]));
			box_message(&b, k, &m);
			check_row(i, mailboxes[i].about,
				  m.rec.octets == shown[k].octets && uidl_same(&m.rec, &shown[k]));
		}
		box_free(&b);
	}
}

/* ---- in every format ---- */

static void put_maildir(const struct box *b, const char *text)
{
	static unsigned n;
	char name[64];

	check(snprintf(name, sizeof name, "new/17676%05u.M1P1.host", ++n) < (int)sizeof name);
	box_put(b, name, text);
}

static void put_dotmail(const struct box *b, const char *text)
{
	box_append(b, text);
	box_append(b, ".\n");
}

static const struct subject {
	const char *name;
	void (*box)(struct box *b);
	void (*put)(const struct box *b, const char *text);
} subjects[] = {
	{"maildir", box_new, put_maildir},
	{"mh", box_new_mh, box_mh_deliver},
	{"mbox", box_new_mbox, put_mbox},
	{"dotmail", box_new_dotmail, put_dotmail},
};

/* A letter each: R it says that it was read, O that it was seen, - neither. */
static bool are_flagged(struct box *b, const char *flags)
{
	if (b->md.index.count != strlen(flags))
		return false;
	for (uint32_t i = 0; flags[i]; i++) {
		struct message m;

		box_message(b, i, &m);
		bool maildir = strcmp(b->md.driver->name, "maildir") == 0;
		const char *text = maildir ? m.name : box_text(b, i);
		bool seen = strstr(text, maildir ? ",a=O" : "Status: O") != NULL,
		     read = strstr(text, maildir ? ":2,S" : "Status: OR") != NULL;

		if (seen != (flags[i] != '-') || read != (flags[i] == 'R') ||
		    (maildir && (m.entry.dir == DIR_CUR) != seen))
			return false;
	}
	return true;
}

/* What was retrieved in a session that ended otherwise comes later; without an index there is no later. Nothing is written twice, and with no index left
 * nothing either. */
static void test_every_format(void **state)
{
	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++)
		for (int indexed = 0; indexed < 2; indexed++) {
			const struct subject *s = &subjects[k];
			struct stat was, is;
			struct outcome out;
			struct box b;

			shim_reset();
			shim.later_s = 10;
			s->box(&b);
			box_write_flags(&b);
			b.setup.index = indexed ? INDEX_AUTO : INDEX_OFF;
			for (int i = 0; i < 4; i++)
				s->put(&b, "A: b\n\nbody\n");
			check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, "----"));
			maildrop_retrieved(&b.md, 2, 1, RETRIEVED_SEEN);
			check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, "----"));
			maildrop_retrieved(&b.md, 4, 1, RETRIEVED_SEEN);
			check_row(k, b.why.text,
				  box_commit(&b, "d---", &out) == OK && out.deleted == 1 && out.unflagged == 0);
			shim.later_s += 10;
			check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, indexed ? "ROR" : "OOR"));
			s->put(&b, "A: b\n\nbody\n");
			check_row(k, s->name, box_open(&b) == OK && box_commit(&b, "", &out) == OK);
			check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, indexed ? "RORO" : "OORO"));
			maildrop_forget(&b.md);
			shim.later_s += 10;
			check_row(k, s->name, box_open(&b) == OK && maildrop_due(&b.md) == 0);
			check(stat(b.path, &was) == 0);
			shim.changes = 0;
			check_row(k, s->name, box_commit(&b, "", &out) == OK && out.unflagged == 0);
			check_row(shim.changes, s->name, shim.changes <= 12); /* a lock, an index */
			check(stat(b.path, &is) == 0);
			check_row(k, s->name,
				  S_ISDIR(is.st_mode) || (is.st_ino == was.st_ino && is.st_mtime == was.st_mtime));
			check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, indexed ? "RORO" : "OORO"));
			check_row(k, s->name, maildrop_due(&b.md) == (indexed ? UINT64_MAX : 0));
			box_free(&b);
		}
}

/* Nothing is written unless it is configured, and what has been marked is still known when it is. */
static void test_off(void **state)
{
	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++) {
		const struct subject *s = &subjects[k];
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		s->put(&b, "A: b\n\nbody\n");
		s->put(&b, "A: c\n\nbody\n");
		check_row(k, s->name, box_open(&b) == OK && maildrop_due(&b.md) == UINT64_MAX);
		check_row(k, s->name, box_commit(&b, "d-", &out) == OK && box_open(&b) == OK && are_flagged(&b, "-"));
		check_row(k, s->name, !box_has(&b, ".mu-prop"));
		box_write_flags(&b);
		check_row(k, s->name, maildrop_due(&b.md) == 0 && box_commit(&b, "-", &out) == OK);
		check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, "O"));
		box_free(&b);
	}
}

/* No room, or no right: the deletions are done, it is not tried again and again, but with the next message. */
static void test_flags_wait(void **state)
{
	static const char *const made[] = {".mu-prop", ".pop3-stamped", ".mbox.new", ".mbox.new"};

	(void)state;
	for (size_t k = 0; k < TABLE_ROWS(subjects); k++) {
		const struct subject *s = &subjects[k];
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		s->box(&b);
		box_write_flags(&b);
		for (int i = 0; i < 3; i++)
			s->put(&b, "A: b\n\nbody\n");
		check_row(k, s->name, box_open(&b) == OK);
		maildrop_retrieved(&b.md, 2, 1, RETRIEVED_SEEN);
		shim.path = made[k];
		shim.path_error = ENOSPC;
		check_row(k, b.why.text, box_commit(&b, "d--", &out) == OK);
		check_row(out.unflagged, out.unstamped_why.text, out.deleted == 1 && out.unflagged == 2);
		shim.later_s += 10;
		check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, "--") && maildrop_due(&b.md) == UINT64_MAX);
		shim.path = NULL;
		maildrop_retrieved(&b.md, 2, 1, RETRIEVED_SEEN);
		check_row(k, s->name, maildrop_due(&b.md) == 0 && box_commit(&b, "", &out) == OK && out.unflagged == 0);
		check_row(k, s->name, box_open(&b) == OK && are_flagged(&b, "RR"));
		box_free(&b);
	}
}

/* ---- .mu-prop ---- */

static const struct {
	const char *before, *behind; /* @ is a time; NULL: there is none */
	bool flagged;
} props[] = {
	{NULL, "uidnext: 3\nuid-validity: @\nversion: 3.15\n\n", true},
	{"uidnext: 40\nuid-validity: 1700000000\nversion: 3.15\n\n",
	 "uidnext: 42\nuid-validity: 1700000000\nversion: 3.15\n\n", true},
	{"x-own: 1\nversion: 4.0\nuidnext: 2\n\n", "uidnext: 4\nuid-validity: @\nx-own: 1\nversion: 4.0\n\n", true},
	{"uidnext: 2\nuid-validity: 5\nversion: 3.10\n\n", "uidnext: 2\nuid-validity: 5\nversion: 3.10\n\n", false},
	{"uidnext: 2\nuid-validity: 5\n\n", "uidnext: 2\nuid-validity: 5\n\n", false},
	{"uidnext: many\nversion: 3.15\n\n", "uidnext: many\nversion: 3.15\n\n", false},
	{"uidnext: 4294967294\nversion: 3.15\n\n", "uidnext: 4294967294\nversion: 3.15\n\n", false},
};

static void test_properties(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(props); i++) {
		char text[256] = "", path[128];
		struct outcome out;
		struct box b;

		shim_reset();
		box_new(&b);
		box_write_flags(&b);
		if (props[i].before)
			box_put(&b, ".mu-prop", props[i].before);
		put_maildir(&b, "A: b\n\nbody\n");
		put_maildir(&b, "A: b\n\nbody\n");
		check(box_open(&b) == OK);
		check_row(i, b.why.text, box_commit(&b, "", &out) == OK);
		check_row(i, out.unstamped_why.text, out.unflagged == (props[i].flagged ? 0 : 2));
		check(snprintf(path, sizeof path, "%s/.mu-prop", b.path) < (int)sizeof path);
		FILE *f = fopen(path, "r");

		check(f && fread(text, 1, sizeof text - 1, f) > 0 && fclose(f) == 0);
		check_row(i, text, matches(text, props[i].behind));
		check(box_open(&b) == OK);
		check_row(i, "flags", are_flagged(&b, props[i].flagged ? "OO" : "--"));
		box_free(&b);
	}
}

/* What another program does in the moment before the commit is kept: it has renamed a message, or removed it. */
static const struct box *changed;
static const char *changed_from, *changed_to;

static void change_meanwhile(void)
{
	const char *from = changed_from;

	changed_from = NULL;
	if (from && changed_to)
		box_rename(changed, from, changed_to);
	else if (from)
		box_remove(changed, from);
}

static void test_other_programs(void **state)
{
	static const struct {
		const char *to, *becomes;
	} rows[] = {
		{"cur/1.M1.h:2,FR", "cur/1.M1.h,a=O,u=1:2,FRS"},
		{"cur/1.M1.h,u=9:2,", "cur/1.M1.h,a=O,u=9:2,S"},
		{NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct outcome out;
		struct box b;

		shim_reset();
		shim.later_s = 10;
		box_new(&b);
		box_write_flags(&b);
		box_put(&b, "new/1.M1.h", "A: b\n\nbody\n");
		check(box_open(&b) == OK);
		maildrop_retrieved(&b.md, 1, 1, RETRIEVED_SEEN);
		changed = &b;
		changed_from = "new/1.M1.h";
		changed_to = rows[i].to;
		shim.before = change_meanwhile;
		check_row(i, b.why.text, box_commit(&b, "", &out) == OK && out.unflagged == 0);
		shim.before = NULL;
		check_row(i, "files", box_count(&b, "cur") == (rows[i].becomes ? 1 : 0) && box_count(&b, "new") == 0);
		check_row(i, rows[i].becomes, !rows[i].becomes || box_has(&b, rows[i].becomes));
		box_free(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),          cmocka_unit_test(test_mailboxes),
		cmocka_unit_test(test_every_format),   cmocka_unit_test(test_off),
		cmocka_unit_test(test_flags_wait),     cmocka_unit_test(test_properties),
		cmocka_unit_test(test_other_programs),
	};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
