/* tools/uidl.c - popctl uidl: list, export, import. The manual is docs/popctl.8 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "mail/wire.h"
#include "store/lock.h"
#include "store/uidl.h"
#include "store/uidl_import.h"
#include "store/uidl_settle.h"
#include "store/uidl_table.h"
#include "store/url.h"
#include "tools/popctl.h"

enum { FILE_MOST = 256 * 1024 * 1024, SHOWN_MOST = 20 };

/* What the command line says, and the maildrop that it is about. */
struct task {
	struct ground ground;
	bool dry_run;
	const char *listing_file, *from_file, *mailbox;
	char *listing_text, *from_text;
	struct slice listing, from;
	struct uidl_import import;
	struct maildrop_setup setup;
	struct maildrop md;
	struct locks locks;
	struct lock lock;
	struct scan now;
};

static int complain(const struct task *t, const struct why *why, int status)
{
	(void)fprintf(stderr, "popctl: %s: %s\n", t->mailbox, why->text);
	return status;
}

/* ---- files of the caller, read before he becomes somebody else ---- */

static enum err read_file(const char *path, char **text, struct slice *all, struct why *why)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	size_t n = 0, got = 1;

	if (!f)
		return fail_errno(why, ERR_PERM, "%s", path);
	for (size_t cap = 0; got > 0 && n < FILE_MOST; n += got) {
		if (n == cap) {
			char *p = realloc(*text, cap = cap ? cap * 2 : 65536);

			if (!p)
				return fail(why, ERR_TEMP, "no memory for %s", path);
			*text = p;
		}
		got = fread(*text + n, 1, cap - n, f);
	}
	bool bad = ferror(f) != 0;

	if (f != stdin)
		(void)fclose(f); /* it was read */
	*all = (struct slice){*text, n};
	return bad ? fail(why, ERR_PERM, "%s cannot be read", path) : OK;
}

/* ---- the maildrop ---- */

static void set_up(struct task *t)
{
	static const uint32_t unquote[] = {
		[QUOTING_MBOXRD] = WIRE_UNQUOTE, [QUOTING_MBOXO] = WIRE_UNQUOTE_ONE, [QUOTING_NONE] = 0};
	const struct conf *cf = t->ground.cf;
	const char *index = cf->mailbox.index;
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	t->setup = (struct maildrop_setup){
		.type = "mbox",
		.accuracy = cf->mailbox.autodetect_accuracy,
		.index = strcmp(index, "off") == 0    ? INDEX_OFF
			 : strcmp(index, "auto") == 0 ? INDEX_AUTO
						      : INDEX_DIR,
		.index_dir = t->ground.index_dir[0] ? open(t->ground.index_dir, flags) : -1,
		.lock = {.conf = &cf->locking},
		.journal_dir = t->ground.journal_dir[0] ? open(t->ground.journal_dir, flags) : -1,
		.uidl_dir = open(t->ground.uidl_dir, flags),
		.unquote = unquote[cf->mailbox.mbox_quoting],
	};
	t->locks.fd = t->ground.session_fd;
}

/* Locked, so that no session sees the one half in old ids and the other in new ones. */
static enum err open_maildrop(struct task *t, struct why *why)
{
	struct url url;
	char path[PATH_MAX];
	enum err err = url_parse(slice_str(t->mailbox), &url, why);

	if (err == OK && !slice_cstr(url.path, path, sizeof path))
		err = fail(why, ERR_PERM, "its path is too long");
	if (err == OK)
		err = ground_enter(&t->ground, path, why);
	if (err != OK)
		return err;
	set_up(t);
	err = maildrop_find(&t->md, slice_str(t->mailbox), &t->setup, why);
	if (err == OK)
		err = lock_take(&t->locks, &t->lock, t->md.key, why);
	return err == OK ? maildrop_scan(&t->md, &t->now, why) : err;
}

static void close_maildrop(struct task *t)
{
	lock_release(&t->locks, &t->lock);
	table_done(&t->locks.held);
	scan_done(&t->now);
	maildrop_close(&t->md);
	free(t->listing_text);
	free(t->from_text);
}

static int put_listing(const struct task *t)
{
	for (uint32_t i = 0; i < t->now.count; i++) {
		struct slice uidl = listing_uidl(&t->now.rec[i]);

		(void)printf("%u %.*s\n", i + 1, (int)uidl.n, uidl.p);
	}
	return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int put_export(struct task *t, struct why *why)
{
	struct uidl_text text;
	enum err err = uidl_export(&t->md, &t->now, &text, why);
	bool done = err == OK && fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0;

	if (err == OK && !done)
		(void)fail_errno(why, ERR_TEMP, "write");
	uidl_text_done(&text);
	return done ? EX_OK : EX_IOERR;
}

/* ---- what a client would fetch again ---- */

/* Says which messages have ids that the old server did not show, and which of its ids no message has. */
static uint32_t compare(const struct task *t, struct why *why)
{
	struct uidl_table old = {0}, now = {0};
	struct slice rest = t->listing, uidl;
	uint32_t msgno, lines = 0, again = 0, gone = 0;

	while (uidl_listing_next(&rest, &msgno, &uidl))
		lines++;
	if (!uidl_table_init(&old, lines) || !uidl_table_init(&now, t->now.count)) {
		uidl_table_done(&old);
		(void)fail(why, ERR_TEMP, "no memory");
		return UINT32_MAX;
	}
	for (rest = t->listing; uidl_listing_next(&rest, &msgno, &uidl);)
		(void)uidl_table_add(&old, uidl, msgno);
	for (uint32_t i = 0; i < t->now.count; i++) {
		struct slice own = listing_uidl(&t->now.rec[i]);

		(void)uidl_table_add(&now, own, i);
		if (uidl_table_find(&old, own) != UIDL_NONE)
			continue;
		(void)printf("message %u would be fetched again: %.*s is not in the listing\n", i + 1, (int)own.n,
			     own.p);
		again++;
	}
	for (rest = t->listing; uidl_listing_next(&rest, &msgno, &uidl);)
		if (uidl_table_find(&now, uidl) == UIDL_NONE) {
			(void)printf("no message has %.*s, number %u of the listing\n", (int)uidl.n, uidl.p, msgno);
			gone++;
		}
	(void)printf("%u messages, %u in the listing, %u would be fetched again, %u are not there\n", t->now.count,
		     lines, again, gone);
	uidl_table_done(&old);
	uidl_table_done(&now);
	return again;
}

static void tell_found(const struct task *t, const struct uidl_imported *found)
{
	uint32_t shown = 0;

	for (uint32_t i = 0; i < t->now.count; i++) {
		struct slice own = listing_uidl(&t->now.rec[i]);

		if (!found->has[i] && shown++ < SHOWN_MOST)
			(void)printf("message %u: no id was found, it has %.*s\n", i + 1, (int)own.n, own.p);
	}
	if (shown > SHOWN_MOST)
		(void)printf("... and %u more\n", shown - SHOWN_MOST);
	(void)printf("%u messages, %u ids found", t->now.count, found->found);
	if (found->doubled > 0)
		(void)printf(", %u of them another message's", found->doubled);
	(void)printf("\n");
}

static int import(struct task *t, struct why *why)
{
	struct uidl_imported found;
	int status = EX_OK;

	t->import.from = t->from;
	enum err err = uidl_import(&t->md, &t->now, &t->import, &found, why);

	if (err == OK) {
		tell_found(t, &found);
		uint32_t again = t->listing_file ? compare(t, why) : 0;

		status = again == UINT32_MAX ? EX_OSERR : again > 0 ? EX_DIFFERENT : EX_OK;
	}
	if (err == OK && !t->dry_run && status != EX_OSERR) {
		err = uidl_impose(&t->md, &t->now, found.validity, found.next, why);
		if (err == OK)
			maildrop_forget(&t->md);
	}
	uidl_imported_done(&found);
	(void)fflush(stdout);
	if (err == OK && t->dry_run)
		(void)printf("nothing was changed\n");
	return err == ERR_TEMP ? EX_TEMPFAIL : err != OK ? EX_DATAERR : status;
}

/* ---- the command line ---- */

static int usage(void)
{
	(void)fputs("usage: popctl [--config-file FILE] [--set PATH=VALUE] uidl list MAILBOX\n"
		    "       popctl uidl export MAILBOX\n"
		    "       popctl uidl import [--dry-run] [--listing FILE] [--from FILE] [--uidvalidity N]\n"
		    "                          FORMAT [PATTERN] MAILBOX\n"
		    "formats:\n",
		    stderr);
	for (const struct uidl_import_format *f = uidl_import_formats; f->name; f++)
		(void)fprintf(stderr, "  %-11s %s\n", f->name, f->about);
	return EX_USAGE;
}

static const struct uidl_import_format *format_named(const char *name)
{
	const struct uidl_import_format *f = uidl_import_formats;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	return f->name ? f : NULL;
}

static bool take_options(struct task *t, int argc, char **argv)
{
	static const struct option options[] = {{"dry-run", no_argument, NULL, 'n'},
						{"listing", required_argument, NULL, 'l'},
						{"from", required_argument, NULL, 'f'},
						{"uidvalidity", required_argument, NULL, 'v'},
						{NULL, 0, NULL, 0}};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "+nl:f:v:", options, NULL)) != -1)
		switch (c) {
		case 'n':
			t->dry_run = true;
			break;
		case 'l':
			t->listing_file = optarg;
			break;
		case 'f':
			t->from_file = optarg;
			break;
		case 'v':
			if (!slice_u64(slice_str(optarg), &t->import.validity))
				return false;
			break;
		default:
			return false;
		}
	return true;
}

/* FORMAT [PATTERN] MAILBOX */
static bool take_words(struct task *t, int words, char **word)
{
	const struct uidl_import_format *f = words > 1 ? format_named(word[0]) : NULL;

	if (!f || words > 3 || (words == 3) < f->pattern || (words == 3 && !f->pattern && !f->validity) ||
	    (t->from_file != NULL) != f->from)
		return false;
	if (f->validity && words == 2 && t->import.validity == 0)
		return false;
	t->import.format = f->name;
	t->import.pattern = words == 3 ? word[1] : NULL;
	t->mailbox = word[words - 1];
	return true;
}

static int run(struct task *t, const char *what)
{
	struct why why = {""};
	int status = EX_OK;
	enum err err = t->listing_file ? read_file(t->listing_file, &t->listing_text, &t->listing, &why) : OK;

	if (err == OK && t->from_file)
		err = read_file(t->from_file, &t->from_text, &t->from, &why);
	if (err == OK)
		err = open_maildrop(t, &why);
	if (err != OK)
		status = complain(t, &why, err == ERR_PERM ? EX_NOINPUT : EX_TEMPFAIL);
	else if (strcmp(what, "list") == 0)
		status = put_listing(t);
	else if (strcmp(what, "export") == 0)
		status = put_export(t, &why);
	else
		status = import(t, &why);
	if (err == OK && status > EX_DIFFERENT)
		(void)complain(t, &why, status);
	close_maildrop(t);
	return status;
}

int uidl_command(struct conf *cf, int argc, char **argv)
{
	static struct task task;
	struct task *t = &task;

	*t = (struct task){.ground = {.cf = cf}, .md = MAILDROP_CLOSED};
	if (argc < 2)
		return usage();
	if (strcmp(argv[1], "import") == 0) {
		if (!take_options(t, argc - 1, argv + 1) || !take_words(t, argc - 1 - optind, argv + 1 + optind))
			return usage();
		return run(t, "import");
	}
	if (argc != 3 || (strcmp(argv[1], "list") != 0 && strcmp(argv[1], "export") != 0))
		return usage();
	t->mailbox = argv[2];
	return run(t, argv[1]);
}
