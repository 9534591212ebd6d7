/* store/uidl_import.c - see uidl_import.h */
#include "store/uidl_import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/uidl.h"
#include "store/uidl_format.h"
#include "store/uidl_header.h"
#include "store/uidl_settle.h"
#include "store/uidl_table.h"

enum { FILE_MOST = 256 * 1024 * 1024 };

static void give(struct scan *now, struct uidl_imported *out, uint32_t i, struct slice uidl)
{
	if (out->has[i] || !uidl_is_sane(uidl))
		return;
	uidl_set(&now->rec[i], uidl);
	out->has[i] = 1;
	out->found++;
}

/* ---- files of other servers in a directory of mail ---- */

static enum err read_whole(int fd, char **text, size_t *octets, const char *name, struct why *why)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MOST)
		return fail(why, ERR_PERM, "%s is no regular file, or too large", name);
	*text = malloc((size_t)st.st_size + 1);
	if (!*text)
		return fail(why, ERR_TEMP, "no memory for %s", name);
	while (*octets < (size_t)st.st_size) {
		ssize_t got = pread(fd, *text + *octets, (size_t)st.st_size - *octets, (off_t)*octets);

		if (got < 0)
			return fail_errno(why, ERR_TEMP, "read %s", name);
		if (got == 0)
			break;
		*octets += (size_t)got;
	}
	return OK;
}

/* All of it, to be freed by the caller in any case. */
static enum err read_beside(const struct maildrop *md, const char *name, char **text, struct slice *all,
			    struct why *why)
{
	size_t octets = 0;

	*text = NULL;
	if (md->name)
		return fail(why, ERR_PERM, "it is no Maildir: there is no %s", name);
	int fd = openat(md->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(why, ERR_PERM, "open %s", name);
	enum err err = read_whole(fd, text, &octets, name, why);

	close(fd);
	*all = (struct slice){*text, octets};
	return err;
}

/* Messages by the base names of their files. Of several with one name the first counts. */
static enum err by_name(const struct scan *now, struct uidl_table *t, struct why *why)
{
	if (!uidl_table_init(t, now->count))
		return fail(why, ERR_TEMP, "no memory for the names of %u messages", now->count);
	for (uint32_t i = 0; i < now->count; i++)
		(void)uidl_table_add(t, uidl_base_name(scan_name(now, i)), i);
	return OK;
}

/* ---- Dovecot ---- */

/* "3 V1795886953 N5 Gab12...", or "1 1795886953 5". */
static bool take_uidlist_head(struct slice line, struct uidl_imported *out)
{
	struct slice version = slice_take(&line, ' '), word;

	if (slice_eq(version, SLICE("1")))
		return slice_u64(slice_take(&line, ' '), &out->validity) &&
		       slice_u64(slice_take(&line, ' '), &out->next);
	while ((word = slice_take(&line, ' ')).n > 0) {
		struct slice number = {word.p + 1, word.n - 1};

		if (word.p[0] == 'V' && !slice_u64(number, &out->validity))
			return false;
		if (word.p[0] == 'N' && !slice_u64(number, &out->next))
			return false;
	}
	return slice_eq(version, SLICE("3")) && out->validity > 0;
}

/* "12 W70 Pold-id :1795000001.M1P1.host": *pop3 is an id that Dovecot was told itself. */
static bool take_uidlist_line(struct slice line, struct uidl_facts *facts, struct slice *pop3)
{
	bool ok = slice_u64(slice_take(&line, ' '), &facts->number);

	*pop3 = facts->guid = (struct slice){0};
	while (ok && line.n > 0 && line.p[0] != ':') {
		struct slice word = slice_take(&line, ' ');

		if (word.n > 1 && word.p[0] == 'P')
			*pop3 = (struct slice){word.p + 1, word.n - 1};
		if (word.n > 1 && word.p[0] == 'G')
			facts->guid = (struct slice){word.p + 1, word.n - 1};
		if (line.n == 0) /* as version 1 has it */
			line = word;
		if (line.p == word.p)
			break;
	}
	if (line.n > 0 && line.p[0] == ':')
		line = (struct slice){line.p + 1, line.n - 1};
	facts->name = uidl_base_name(line);
	if (facts->guid.n == 0)
		facts->guid = facts->name;
	return ok && facts->name.n > 0;
}

static void give_pattern(struct scan *now, struct uidl_imported *out, uint32_t i, const char *pattern,
			 const struct uidl_facts *facts)
{
	char text[UIDL_MOST + 1];
	struct buf b = BUF(text);

	if (uidl_pattern_put(&b, slice_str(pattern), facts))
		give(now, out, i, buf_slice(&b));
}

static enum err dovecot_maildir(const struct maildrop *md, struct scan *now, const char *pattern,
				struct uidl_imported *out, struct why *why)
{
	struct uidl_table names = {0};
	struct slice rest;
	char *text;
	enum err err = read_beside(md, "dovecot-uidlist", &text, &rest, why);

	if (err == OK && !take_uidlist_head(slice_take(&rest, '\n'), out))
		err = fail(why, ERR_PERM, "dovecot-uidlist does not begin as one");
	if (err == OK)
		err = by_name(now, &names, why);
	while (err == OK && rest.n > 0) {
		struct uidl_facts facts = {.validity = out->validity};
		struct slice pop3;
		bool is = take_uidlist_line(slice_take(&rest, '\n'), &facts, &pop3);
		uint32_t i = is ? uidl_table_find(&names, facts.name) : UIDL_NONE;

		if (i == UIDL_NONE)
			continue;
		if (pop3.n > 0)
			give(now, out, i, pop3);
		else
			give_pattern(now, out, i, pattern, &facts);
		if (facts.number >= out->next)
			out->next = facts.number + 1;
	}
	uidl_table_done(&names);
	free(text);
	return err;
}

/* X-IMAPbase: VALIDITY NEXT, in the first message, or in one of other programs that is hidden there. */
static void read_imapbase(const struct maildrop *md, struct uidl_imported *out)
{
	static char text[UIDL_HEADER_OCTETS];
	ssize_t got = pread(md->fd, text, sizeof text, 0);
	struct slice head = {text, got > 0 ? (size_t)got : 0}, value;
	const char *end = memmem(head.p, head.n, "\n\n", 2);

	if (end)
		head.n = (size_t)(end - head.p) + 1;
	if (!uidl_header_field(head, SLICE("X-IMAPbase:"), &value) &&
	    !uidl_header_field(head, SLICE("X-IMAP:"), &value))
		return;
	(void)slice_u64(slice_take(&value, ' '), &out->validity); /* or there are no numbers */
	(void)slice_u64(slice_take(&value, ' '), &out->next);
	out->next += out->next > 0; /* it is the last one that was given */
}

static enum err dovecot_onefile(const struct maildrop *md, struct scan *now, const char *pattern,
				struct uidl_imported *out, struct why *why)
{
	enum err err = OK;

	read_imapbase(md, out);
	for (uint32_t i = 0; i < now->count && err == OK; i++) {
		struct uidl_facts facts = {.validity = out->validity};
		struct slice head, value;
		char digits[33] = "";

		err = uidl_header_read(md, now, i, &head, why);
		if (err != OK)
			break;
		if (uidl_header_field(head, SLICE("X-UID:"), &value))
			(void)slice_u64(value, &facts.number); /* or it has none */
		if (uidl_header_md5(head, UIDL_MD5_DOVECOT, digits))
			facts.md5 = facts.guid = slice_str(digits);
		give_pattern(now, out, i, pattern, &facts);
		if (facts.number >= out->next && out->validity > 0)
			out->next = facts.number + 1;
	}
	return err;
}

static enum err find_dovecot(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			     struct uidl_imported *out, struct why *why)
{
	bool numbers;

	if (!uidl_pattern_is(slice_str(what->pattern), &numbers))
		return fail(why, ERR_PERM, "%s is no pattern of unique-ids", what->pattern);
	return md->name ? dovecot_onefile(md, now, what->pattern, out, why)
			: dovecot_maildir(md, now, what->pattern, out, why);
}

/* ---- Courier ---- */

/* The last word of a line. */
static struct slice take_last(struct slice *line)
{
	const char *blank = line->n > 0 ? memrchr(line->p, ' ', line->n) : NULL;
	size_t at = blank ? (size_t)(blank - line->p) : 0;
	struct slice word = {line->p + at + (blank != NULL), line->n - at - (blank != NULL)};

	line->n = at;
	return word;
}

/* "FILE OCTETS NUMBER:VALIDITY:..." */
static void take_sizelist_line(struct slice line, const struct uidl_table *names, struct scan *now,
			       struct uidl_imported *out)
{
	struct slice ids = take_last(&line), octets = take_last(&line);
	struct uidl_facts facts = {0};
	uint64_t size;
	uint32_t i = uidl_table_find(names, uidl_base_name(line));

	if (i == UIDL_NONE || !slice_u64(octets, &size) || !slice_u64(slice_take(&ids, ':'), &facts.number) ||
	    !slice_u64(slice_take(&ids, ':'), &facts.validity))
		return;
	give_pattern(now, out, i, uidl_format_pattern("courier", NULL), &facts);
	if (facts.number >= out->next)
		out->next = facts.number + 1;
}

static enum err find_courier(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			     struct uidl_imported *out, struct why *why)
{
	struct uidl_table names = {0};
	struct slice rest, line;
	char *text;
	enum err err = read_beside(md, "courierpop3dsizelist", &text, &rest, why);

	(void)what;
	line = err == OK ? slice_take(&rest, '\n') : (struct slice){0};
	if (err == OK && (!slice_eq(slice_take(&line, ' '), SLICE("/3")) ||
			  !slice_u64(slice_take(&line, ' '), &out->next) || !slice_u64(line, &out->validity)))
		err = fail(why, ERR_PERM, "courierpop3dsizelist does not begin with /3, NEXT and VALIDITY");
	if (err == OK)
		err = by_name(now, &names, why);
	while (err == OK && rest.n > 0)
		take_sizelist_line(slice_take(&rest, '\n'), &names, now, out);
	uidl_table_done(&names);
	free(text);
	return err;
}

/* ---- from each message ---- */

static enum err find_mailutils(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			       struct uidl_imported *out, struct why *why)
{
	enum err err = OK;

	(void)what;
	for (uint32_t i = 0; i < now->count && err == OK; i++) {
		struct slice head, value;

		err = uidl_header_read(md, now, i, &head, why);
		if (err == OK && uidl_header_field(head, SLICE("X-UIDL:"), &value) && uidl_is_mailutils(value))
			give(now, out, i, value);
	}
	return err;
}

static enum err find_md5(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			 struct uidl_imported *out, struct why *why)
{
	enum err err = OK;

	(void)what;
	for (uint32_t i = 0; i < now->count && err == OK; i++) {
		char digits[33];
		struct slice head;

		err = uidl_header_read(md, now, i, &head, why);
		if (err == OK && uidl_header_md5(head, UIDL_MD5_POPA3D, digits))
			give(now, out, i, slice_str(digits));
	}
	return err;
}

static enum err find_basename(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			      struct uidl_imported *out, struct why *why)
{
	(void)what;
	if (md->name)
		return fail(why, ERR_PERM, "its messages have no files of their own");
	for (uint32_t i = 0; i < now->count; i++)
		give(now, out, i, uidl_base_name(scan_name(now, i)));
	return OK;
}

/* Files are called by their numbers, with a dot behind. */
static enum err find_cyrus(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			   struct uidl_imported *out, struct why *why)
{
	const char *pattern = what->pattern ? what->pattern : uidl_format_pattern("cyrus", NULL);
	bool numbers;

	(void)md;
	if (!uidl_pattern_is(slice_str(pattern), &numbers))
		return fail(why, ERR_PERM, "%s is no pattern of unique-ids", pattern);
	out->validity = what->validity;
	for (uint32_t i = 0; i < now->count; i++) {
		struct uidl_facts facts = {.validity = what->validity};
		struct slice name = scan_name(now, i);

		if (name.n > 1 && name.p[name.n - 1] == '.')
			name.n--;
		if (!slice_u64(name, &facts.number))
			continue;
		give_pattern(now, out, i, pattern, &facts);
		if (facts.number >= out->next)
			out->next = facts.number + 1;
	}
	return OK;
}

/* ---- from a file of the caller's ---- */

bool uidl_listing_next(struct slice *rest, uint32_t *msgno, struct slice *uidl)
{
	while (rest->n > 0) {
		struct slice line = slice_take(rest, '\n');

		line.n -= line.n > 0 && line.p[line.n - 1] == '\r';
		if (slice_u32(slice_take(&line, ' '), msgno) && *msgno > 0 && line.n > 0) {
			*uidl = line;
			return true;
		}
	}
	return false;
}

/* By their places: the same mail in the same order. */
static enum err find_listing(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			     struct uidl_imported *out, struct why *why)
{
	struct slice rest = what->from, uidl;
	uint32_t msgno, count = 0;

	(void)md;
	while (uidl_listing_next(&rest, &msgno, &uidl))
		count++;
	if (count != now->count)
		return fail(why, ERR_PERM, "the listing has %u messages, and there are %u: places say nothing", count,
			    now->count);
	for (rest = what->from; uidl_listing_next(&rest, &msgno, &uidl);)
		if (msgno <= now->count)
			give(now, out, msgno - 1, uidl);
	return OK;
}

static enum err find_poplar(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
			    struct uidl_imported *out, struct why *why)
{
	struct uidl_file file;
	enum err err = uidl_file_parse(&file, what->from, why);

	if (err == OK)
		err = uidl_match(md, now, &file, out->has, why);
	for (uint32_t i = 0; i < now->count && err == OK; i++)
		out->found += out->has[i];
	if (err == OK) {
		out->validity = file.validity;
		out->next = file.next;
	}
	uidl_file_done(&file);
	return err;
}

const struct uidl_import_format uidl_import_formats[] = {
	{"mailutils", "headers X-UIDL in the form of Mailutils", .find = find_mailutils},
	{"dovecot", "dovecot-uidlist of a Maildir; X-IMAPbase and X-UID of an mbox", .pattern = true,
	 .find = find_dovecot},
	{"courier", "courierpop3dsizelist of a Maildir", .find = find_courier},
	{"cyrus", "files that are called by their numbers", .validity = true, .find = find_cyrus},
	{"basename", "names of the files of a Maildir (qmail)", .find = find_basename},
	{"md5-header", "headers that say how a message came (popa3d)", .find = find_md5},
	{"listing", "a saved answer to UIDL, message by message", .from = true, .find = find_listing},
	{"poplar", "what popctl uidl export has written", .from = true, .find = find_poplar},
	{NULL, NULL, .find = NULL},
};

/* ---- all of them ---- */

/* Those that were found come first: no message that keeps its own may stand in their way. */
static enum err make_different(struct scan *now, const struct scan *before, struct uidl_imported *out, struct why *why)
{
	struct uidl_table taken;
	bool ok = uidl_table_init(&taken, now->count);

	for (uint32_t i = 0; i < now->count && ok; i++)
		if (out->has[i] && !uidl_table_add(&taken, listing_uidl(&now->rec[i]), i)) {
			out->has[i] = 0;
			out->doubled++;
			out->found--;
		}
	for (uint32_t i = 0, copies = 0; i < now->count && ok; i++) {
		if (out->has[i])
			continue;
		uidl_keep(&now->rec[i], &before->rec[i]);
		while (ok && !uidl_table_add(&taken, listing_uidl(&now->rec[i]), i))
			ok = uidl_copy(&now->rec[i], listing_uidl(&before->rec[i]), ++copies);
	}
	uidl_table_done(&taken);
	return ok ? OK : fail(why, ERR_TEMP, "no memory for unique-ids");
}

enum err uidl_import(const struct maildrop *md, struct scan *now, const struct uidl_import *what,
		     struct uidl_imported *out, struct why *why)
{
	const struct uidl_import_format *f = uidl_import_formats;
	struct scan before = {.count = now->count};

	*out = (struct uidl_imported){0};
	while (f->name && strcmp(f->name, what->format) != 0)
		f++;
	if (!f->name)
		return fail(why, ERR_PERM, "there is no format %s", what->format);
	out->has = calloc((size_t)now->count + 1, 1);
	before.rec = calloc((size_t)now->count + 1, sizeof *before.rec);
	if (!out->has || !before.rec) {
		free(before.rec);
		return fail(why, ERR_TEMP, "no memory for unique-ids");
	}
	if (now->count > 0)
		memcpy(before.rec, now->rec, now->count * sizeof *now->rec);
	enum err err = f->find(md, now, what, out, why);

	if (err == OK)
		err = make_different(now, &before, out, why);
	if (out->validity == 0 || out->next == 0)
		out->validity = out->next = 0;
	free(before.rec);
	return err;
}

void uidl_imported_done(struct uidl_imported *out)
{
	free(out->has);
	out->has = NULL;
}
