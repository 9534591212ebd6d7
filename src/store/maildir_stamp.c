/* store/maildir_stamp.c - the Maildir driver: a message gets the header with its stamp (store/stamp.h)
 *
 * A file is never changed. One that has the header is made in tmp/, with mode, group and times of the message's, synced, and changes places with it in
 * one step: so the message is there once, whatever dies when, and whoever has it open reads on. Where another program has renamed or removed it
 * in this moment, nothing happens, or it is undone. The old file is removed from tmp/, by whoever sweeps it if not by us.
 *
 * Where the name says sizes, the file is renamed behind that, to one that says what they are now. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/header_edit.h"
#include "store/maildir.h"
#include "store/maildrop.h"

/* ---- sizes in names ---- */

/* A field ,S=DIGITS or ,W=DIGITS at the front of `text', comma and all; its length, 0: it is none. */
static size_t size_field(struct slice text)
{
	size_t n = 3;

	if (text.n < 4 || text.p[0] != ',' || (text.p[1] != 'S' && text.p[1] != 'W') || text.p[2] != '=')
		return 0;
	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return n > 3 && (n == text.n || text.p[n] == ',' || text.p[n] == ':') ? n : 0;
}

/* The name with these sizes where it has some. False: it would be too long. */
static bool resize(struct slice name, uint64_t stored, uint64_t wire, char to[NAME_OCTETS + 1])
{
	struct buf b = {.p = to, .cap = NAME_OCTETS};
	const char *flags = memmem(name.p, name.n, ":2,", 3);
	size_t end = flags ? (size_t)(flags - name.p) : name.n;

	for (size_t i = 0, n; i<name.n; i += n> 0 ? n : 1) {
		n = i < end ? size_field((struct slice){name.p + i, name.n - i}) : 0;
		if (n == 0) {
			buf_char(&b, name.p[i]);
			continue;
		}
		buf_put(&b, (struct slice){name.p + i, 3});
		buf_u64(&b, name.p[i + 1] == 'S' ? stored : wire);
	}
	to[b.len] = '\0';
	return !b.full;
}

/* Whoever has renamed it meanwhile has a name that still says the old size: no more than that. */
static void rename_resized(const struct maildrop *md, const struct maildir_path *path, uint64_t wire,
			   struct maildir_stamped *s)
{
	struct slice name = slice_str(path->text + sizeof maildir_dirs[0]);
	struct maildir_path to;

	if (!resize(name, s->rec.raw, wire, s->name) || strcmp(s->name, name.p) == 0)
		return;
	maildir_path(&to, s->entry.dir, slice_str(s->name));
	if (renameat2(md->fd, path->text, md->fd, to.text, RENAME_NOREPLACE) < 0)
		(void)slice_cstr(name, s->name, sizeof s->name);
}

/* ---- the file ---- */

static enum err write_file(const struct maildrop *md, const struct maildir_path *path, const char *tmp,
			   struct maildir_stamped *s, struct stat *st, uint64_t *wire, struct why *why)
{
	struct header_edit e;
	int from = maildir_open_message(md->fd, path->text), to = -1;
	struct stat made;
	enum err err = from >= 0 && fstat(from, st) == 0 ? OK : fail_errno(why, ERR_TEMP, "open %s", path->text);

	if (err == OK && !header_edit(&e, from, 0, s->rec.raw, &(struct header_want){.stamp = s->stamp}))
		err = fail(why, ERR_PERM, "its header has no end");
	if (err == OK)
		to = openat(md->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (err == OK && to < 0)
		err = fail_errno(why, storage_err(errno), "create %s", tmp);
	if (err == OK)
		err = header_copy(&e, from, 0, to, MAILDIR_RULES, &s->rec, wire, why);
	if (err == OK)
		err = header_dress(to, st, why);
	if (err == OK && fstat(to, &made) == 0) {
		s->entry.id = made.st_ino;
		s->entry.at = storage_ns(made.st_mtim);
	}
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to); /* synced */
	return err;
}

enum err maildir_stamp_file(const struct maildrop *md, const struct message *m, const struct maildir_path *path,
			    struct maildir_stamped *s, enum maildir_there *there, struct why *why)
{
	const struct maildir_stamped asked = *s;
	uint64_t wire = 0;
	struct stat st;
	char tmp[64];

	s->rec = m->rec;
	s->entry = m->entry;
	s->entry.dir = memcmp(path->text, maildir_dirs[DIR_CUR], sizeof maildir_dirs[0] - 1) == 0 ? DIR_CUR : DIR_NEW;
	(void)slice_cstr(slice_str(path->text + sizeof maildir_dirs[0]), s->name, sizeof s->name);
	(void)snprintf(tmp, sizeof tmp, "tmp/%lld.P%d.pop3d-stamp", (long long)clock_wall_ns(), (int)getpid());
	enum err err = write_file(md, path, tmp, s, &st, &wire, why);

	bool is_there = true;

	if (err == OK)
		err = header_exchange(md->fd, tmp, path->text, &st, &is_there, why);
	*there = is_there ? MAILDIR_THERE : MAILDIR_GONE;
	if (err == OK && is_there)
		rename_resized(md, path, wire, s);
	else
		*s = asked;
	if (err != ERR_IN_USE)
		(void)unlinkat(md->fd, tmp, 0); /* the old file, or ours in vain: what is left in tmp/ is swept */
	return err == ERR_IN_USE ? ERR_TEMP : err;
}

static bool have_one_name(const struct scan *s, uint32_t i, uint32_t k)
{
	struct maildir_name a, b;

	maildir_name_parse(&a, scan_name(s, i));
	maildir_name_parse(&b, scan_name(s, k));
	return a.stable_len == b.stable_len && memcmp(a.stable, b.stable, a.stable_len) == 0;
}

bool maildir_is_twin(const struct scan *s, uint32_t i)
{
	return (i > 0 && have_one_name(s, i - 1, i)) || (i + 1 < s->count && have_one_name(s, i, i + 1));
}
