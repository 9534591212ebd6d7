/* tests/store/test_crash_bulletins.c - a session that brings bulletins, and dies or fails at every call that changes something
 *
 * Whatever happens when, and whether other mail comes before the next session or not: then each bulletin is there once, and mail that was there
 * before stays. A bulletin that a session has shown and deleted does not come again, also where nothing could be
 * written about it. Of a mailbox in one file no other program finds half a bulletin that mail was appended to, once we have seen it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "box.h"
#include "check.h"
#include "mail/wire.h"
#include "shim.h"
#include "store/bulletin.h"

enum { OWN = 2, BULLETINS = 3, LATER = OWN + BULLETINS, ALL };

static const char *const texts[ALL] = {
	"A: own 0\n\nbody\n",         "A: own 1\n\nbody\n",      "A: bulletin 2\n\nFrom here\nbody\n",
	"A: bulletin 3\n\n.\nbody\n", "A: bulletin 4\n\nbody\n", "A: later 5\n\nbody\n"};

/* ---- formats ---- */

static void put_mbox(const struct box *b, int n)
{
	box_append(b, "From a@example.org Mon Jan  5 10:00:00 2026\n");
	box_append(b, texts[n]);
	box_append(b, "\n");
}

static void put_dotmail(const struct box *b, int n)
{
	box_append(b, texts[n]);
	box_append(b, ".\n");
}

static void put_maildir(const struct box *b, int n)
{
	char name[32];

	check(snprintf(name, sizeof name, "new/%d.M1.h", n) > 0);
	box_put(b, name, texts[n]);
}

static void put_mh(const struct box *b, int n)
{
	box_mh_deliver(b, texts[n]);
}

static void link_box(const struct box *b)
{
	char name[128];

	check(snprintf(name, sizeof name, "%s/other", b->top) > 0 && link(b->path, name) == 0);
}

static const struct format {
	const char *about;
	void (*make)(struct box *b);
	void (*put)(const struct box *b, int n);
	void (*prepare)(const struct box *b);
} formats[] = {{"mbox", box_new_mbox, put_mbox, NULL},
	       {"mbox with two names", box_new_mbox, put_mbox, link_box},
	       {"dotmail", box_new_dotmail, put_dotmail, NULL},
	       {"Maildir", box_new, put_maildir, NULL},
	       {"MH", box_new_mh, put_mh, NULL}};

/* ---- a session ---- */

static char source[128];

static void write_source(const struct box *b)
{
	char path[128];

	check(snprintf(path, sizeof path, "%s/source", b->top) > 0);
	FILE *f = fopen(path, "w");

	check(f != NULL);
	for (int n = OWN; n < LATER; n++)
		check(fprintf(f, "From root@example.org Mon Jan  5 10:00:0%d 2026\n%s%s\n", n,
			      n == OWN ? "A: bulletin 2\n\n>From here\nbody\n" : texts[n], "") > 0);
	check(fclose(f) == 0);
	check(snprintf(source, sizeof source, "mbox:%s", path) > 0);
}

static void fill(struct box *b, const struct format *f)
{
	shim_reset();
	shim.no_sync = true;
	f->make(b);
	b->setup.unquote = WIRE_UNQUOTE; /* as store has it, whatever the format */
	for (int n = 0; n < OWN; n++)
		f->put(b, n);
	if (f->prepare)
		f->prepare(b);
	write_source(b);
}

static enum err open_session(struct box *b)
{
	static struct bulletins bulletins; /* of a new process */
	const struct conf cf = {.bulletin_source = source};
	const struct bulletin_user u = {.name = SLICE("bob"), .home = b->top};

	box_close(b);
	memset(&bulletins, 0, sizeof bulletins);
	bulletins_init(&bulletins, &cf, &b->setup);
	enum err err = maildrop_find(&b->md, slice_str(b->path), &b->setup, &b->why);

	if (err == OK)
		err = bulletins_bring(&bulletins, &b->md, &u, &b->why);
	if (err == ERR_IN_USE) /* a part was taken away */
		err = bulletins_bring(&bulletins, &b->md, &u, &b->why);
	if (err == OK)
		err = maildrop_open(&b->md, &b->first, &b->why);
	if (err != OK)
		maildrop_close(&b->md);
	return err;
}

/* How often each is there; all that is, is whole. */
static void look(struct box *b, unsigned there[ALL], unsigned at)
{
	memset(there, 0, ALL * sizeof *there);
	for (uint32_t i = 0; i < b->md.index.count; i++) {
		char text[256];
		bool quoted = b->md.driver->in_one_file;

		check(snprintf(text, sizeof text, "%s", box_text(b, i)) < (int)sizeof text);
		char *mark = strstr(text, "\n>From");

		if (mark && quoted)
			memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
		mark = strstr(text, "\n..\n");
		if (mark && quoted)
			memmove(mark + 1, mark + 2, strlen(mark + 2) + 1);
		int n = 0;

		while (n < ALL && strcmp(text, texts[n]) != 0)
			n++;
		check_row(at, text, n < ALL);
		there[n]++;
	}
}

enum { DONE = 40, SOME, REFUSED, KILLED = 99 };

/* It deletes the bulletins that it is shown. */
static int run_child(struct box *b, enum shim_what what, unsigned at, int error, bool deletes)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		char marks[ALL + 8] = "";
		unsigned there[ALL];
		struct outcome out;

		shim_reset();
		shim.no_sync = true;
		shim.what = what;
		shim.at = at;
		shim.error = error;
		enum err err = open_session(b);
		bool reached = shim.changes >= at;

		shim_reset();
		if (err != OK)
			_exit(REFUSED);
		look(b, there, at);
		if (there[OWN] != 1)
			_exit(reached ? SOME : 51);
		for (uint32_t i = 0; i < b->md.index.count; i++)
			marks[i] = strstr(box_text(b, i), "A: bulletin") ? 'd' : '-';
		if (deletes && box_commit(b, marks, &out) != OK)
			_exit(52);
		_exit(reached ? DONE : 0);
	}
	check(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void check_after(struct box *b, const struct format *f, unsigned at, unsigned bulletins, bool delivered)
{
	for (int session = 0; session < 2; session++) {
		unsigned there[ALL];

		check_row(at, b->why.text, open_session(b) == OK);
		look(b, there, at);
		for (int n = 0; n < ALL; n++)
			check_row(at, f->about,
				  there[n] == (n < OWN     ? 1
					       : n < LATER ? bulletins
							   : (unsigned)delivered));
	}
	box_close(b);
}

static void check_format(const struct format *f, enum shim_what what, const struct shim_errors *errors, unsigned turn)
{
	unsigned at = 0;
	int result;

	do {
		bool deletes = what == SHIM_ERROR || what == SHIM_SHORT;
		struct box b;

		fill(&b, f);
		at += EACH_TRIED;
		bool delivered = (at + turn) % 2 == 1;

		result = run_child(&b, what, at, shim_error_at(errors, at), deletes);
		check_row(at, f->about, result < 50 || result == KILLED);
		if (delivered)
			f->put(&b, LATER);
		check_after(&b, f, at, deletes && (result == DONE || result == 0) ? 0 : 1, delivered);
		box_free(&b);
	} while (result != 0);
	check_row(at, f->about, at > 10);
}

static void check_all(enum shim_what what, const struct shim_errors *errors, unsigned turn)
{
	for (size_t i = 0; i < TABLE_ROWS(formats); i++)
		check_format(&formats[i], what, errors, turn);
}

/* Mail comes between a death and what follows: at each second call, in the next pass at the others. */
static void test_killed(void **state)
{
	(void)state;
	for (unsigned pass = 0; pass < shim_passes(2); pass++)
		check_all(SHIM_KILL, NULL, pass);
}

static void test_failed(void **state)
{
	static const int errors[] = {ENOSPC, EIO};

	(void)state;
	for (unsigned pass = 0; pass < shim_passes(TABLE_ROWS(errors)); pass++)
		check_all(SHIM_ERROR, &(struct shim_errors){errors, TABLE_ROWS(errors), pass}, pass);
	check_format(&formats[0], SHIM_SHORT, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_killed), cmocka_unit_test(test_failed)};

	box_in_memory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
