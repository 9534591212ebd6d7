/* tests/store/box.c - see box.h */
#include "box.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "check.h"
#include "mail/wire.h"
#include "store/crew.h"
#include "store/kept.h"
#include "store/mh.h"

static void path_of(const struct box *b, const char *name, char path[512])
{
	check(snprintf(path, 512, "%s/%s", b->path, name) < 512);
}

static int make_dir(const struct box *b, const char *name)
{
	char path[512];

	check(snprintf(path, sizeof path, "%s/%s", b->top, name) < (int)sizeof path);
	check(mkdir(path, 0700) == 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static bool remove_all(const char *path)
{
	return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0;
}

static char prefix[64] = "/tmp/pop3d-store-", parent[48];
static pid_t owner; /* of the parent */

static void remove_parent(void)
{
	if (getpid() == owner)
		(void)remove_all(parent); /* what is left is of a test that has failed, which was told */
}

void box_in_memory(void)
{
	log_setup(&(struct log_setup){.fd = -1});
	check(snprintf(parent, sizeof parent, "%s/pop3d-store-XXXXXX",
		       access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp") < (int)sizeof parent);
	check(mkdtemp(parent) != NULL);
	check(snprintf(prefix, sizeof prefix, "%s/", parent) < (int)sizeof prefix);
	owner = getpid();
	check(atexit(remove_parent) == 0);
}

/* POP3D_ROWS=3: all that is done some rows at a time is done three rows at a time (store/room.h), and three messages are many (store/crew.h); not in one file, of
 * which threads would then have parts of some octets each: that does test_crew.c. */
static void set_rows(bool one_file)
{
	const char *rows = getenv("POP3D_ROWS");

	if (rows)
		room_set_rows((uint32_t)atoi(rows));
	if (rows)
		crew_set_many(one_file ? UINT64_MAX : (uint64_t)atoi(rows));
}

/* POP3D_KEPT=1: as in a process that serves sessions, what is closed is kept for the next opening (store/kept.h). */
static void set_kept(void)
{
	static bool begun;

	if (!begun && getenv("POP3D_KEPT"))
		kept_begin(ev_default_loop(EVFLAG_AUTO));
	begun = true;
}

static void make_top(struct box *b, bool one_file)
{
	set_rows(one_file);
	set_kept();
	*b = (struct box){0};
	check(snprintf(b->top, sizeof b->top, "%sXXXXXX", prefix) < (int)sizeof b->top);
	check(mkdtemp(b->top) != NULL);
}

static void new_directory(struct box *b, const char *type)
{
	char url[128];

	make_top(b, false);
	b->setup = (struct maildrop_setup){.type = type,
					   .accuracy = ACCURACY_DEFAULT,
					   .index = INDEX_AUTO,
					   .index_dir = -1,
					   .journal_dir = -1,
					   .uidl_dir = -1,
					   .mh_backup = true};
	b->setup.uidl_dir = make_dir(b, "uidl");
	check(snprintf(b->path, sizeof b->path, "%s/Maildir", b->top) < (int)sizeof b->path);
	check(snprintf(url, sizeof url, "%s:%s", type, b->path) < (int)sizeof url);
	check(maildrop_find(&b->md, slice_str(url), &b->setup, &b->why) == OK);
	maildrop_close(&b->md);
}

void box_new(struct box *b)
{
	new_directory(b, "maildir");
}

void box_new_mh(struct box *b)
{
	new_directory(b, "mh");
}

void box_new_mh_without(struct box *b)
{
	box_new_mh(b);
	b->setup.mh_backup = false;
}

static void new_file(struct box *b, const char *type)
{
	make_top(b, true);
	b->locking = (struct conf_locking){.type = LOCK_DOTLOCK, .pid_check = true};
	check(snprintf(b->path, sizeof b->path, "%s/mbox", b->top) < (int)sizeof b->path);
	b->setup = (struct maildrop_setup){.type = type,
					   .accuracy = ACCURACY_DEFAULT,
					   .index = INDEX_AUTO,
					   .index_dir = -1,
					   .lock = {.conf = &b->locking},
					   .journal_dir = make_dir(b, "journals"),
					   .uidl_dir = make_dir(b, "uidl"),
					   .unquote = WIRE_UNQUOTE};
	box_write(b, "");
}

void box_new_mbox(struct box *b)
{
	new_file(b, "mbox");
}

void box_new_dotmail(struct box *b)
{
	new_file(b, "dotmail");
}

const char *box_mbox(const struct box *b)
{
	static char text[256 * 1024];
	FILE *f = fopen(b->path, "r");

	check(f != NULL);
	size_t n = fread(text, 1, sizeof text - 1, f);

	check(n < sizeof text - 1 && fclose(f) == 0);
	text[n] = '\0';
	return text;
}

static void put(const struct box *b, const char *mode, const char *text)
{
	FILE *f = fopen(b->path, mode);

	check(f != NULL);
	check(fputs(text, f) >= 0 && fclose(f) == 0);
}

void box_write(const struct box *b, const char *text)
{
	put(b, "w", text);
}

void box_append(const struct box *b, const char *text)
{
	put(b, "a", text);
}

void box_free(struct box *b)
{
	box_close(b);
	kept_sweep(0);
	if (b->setup.journal_dir > 0)
		close(b->setup.journal_dir);
	close(b->setup.uidl_dir);
	check(remove_all(b->top));
}

enum err box_open(struct box *b)
{
	box_close(b);
	enum err err = maildrop_find(&b->md, slice_str(b->path), &b->setup, &b->why);

	if (err == OK)
		err = maildrop_open(&b->md, &b->first, &b->why);
	if (err != OK)
		maildrop_close(&b->md);
	return err;
}

void box_close(struct box *b)
{
	if (b->md.path)
		maildrop_close(&b->md);
}

void box_put(const struct box *b, const char *name, const char *text)
{
	char path[512];

	path_of(b, name, path);
	FILE *f = fopen(path, "w");

	check_row(0, path, f != NULL);
	check(fputs(text, f) >= 0 && fclose(f) == 0);
}

void box_rename(const struct box *b, const char *from, const char *to)
{
	char old[512], new[512];

	path_of(b, from, old);
	path_of(b, to, new);
	check_row(0, from, syscall(SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new, 0) == 0); /* not through the shim */
}

void box_remove(const struct box *b, const char *name)
{
	char path[512];

	path_of(b, name, path);
	check_row(0, name, remove(path) == 0);
}

bool box_has(const struct box *b, const char *name)
{
	char path[512];

	path_of(b, name, path);
	return access(path, F_OK) == 0;
}

unsigned box_count(const struct box *b, const char *dir)
{
	char path[512];
	unsigned n = 0;

	path_of(b, dir, path);
	DIR *d = opendir(path);

	check(d != NULL);
	const struct dirent *e;

	/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of
   * one's own */
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

unsigned box_mh_next(const struct box *b)
{
	DIR *d = opendir(b->path);
	const struct dirent *e;
	unsigned last = 0;

	check(d != NULL);
	/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of
   * one's own */
	while ((e = readdir(d))) {
		unsigned n = mh_is_number(slice_str(e->d_name)) ? (unsigned)strtoul(e->d_name, NULL, 10) : 0;

		last = n > last ? n : last;
	}
	closedir(d);
	return last + 1;
}

void box_mh_deliver(const struct box *b, const char *text)
{
	char name[16];

	check(snprintf(name, sizeof name, "%u", box_mh_next(b)) > 0);
	box_put(b, name, text);
}

void box_message(const struct box *b, uint32_t i, struct message *m)
{
	static struct index_window w;
	struct why why;

	check(index_read(&b->md.index, i, 1, &w, &why) == OK);
	index_message(&w, i, m);
}

const char *box_text(struct box *b, uint32_t i)
{
	static char text[64 * 1024];
	struct buf out = BUF(text);
	struct body body;
	uint32_t count;

	out.cap--;
	if (maildrop_fetch(&b->md, i + 1, 0, &out, &count, &body, &b->why) != OK || count != 1)
		return "";
	text[out.len] = '\0';
	return text;
}

const char *box_text_bare(struct box *b, uint32_t i, bool *stamped)
{
	static const char *const names[] = {"X-Expire-Timestamp: ", "Status: ", "X-UID: ", "X-IMAPbase: "};
	static char bare[64 * 1024];
	struct slice rest = slice_str(box_text(b, i));
	struct buf out = BUF(bare);
	bool header = true;

	*stamped = false;
	while (rest.n > 0) {
		struct slice whole = rest, line = slice_take(&rest, '\n');
		size_t k = 0;

		header = header && line.n > 0;
		while (header && k < 4 && !slice_starts(line, slice_str(names[k])))
			k++;
		*stamped = *stamped || (header && k == 0);
		if (!header || k == 4)
			buf_put(&out, (struct slice){whole.p, whole.n - rest.n});
	}
	buf_char(&out, '\0');
	check(!out.full);
	return bare;
}

void box_write_stamps(struct box *b)
{
	b->setup.stamps = (struct stamp_setup){.days = 9, .header = true};
}

void box_write_flags(struct box *b)
{
	b->setup.update_flags = true;
}

enum err box_commit(struct box *b, const char *marks, struct outcome *out)
{
	uint8_t set[128] = {0};

	for (size_t i = 0; marks[i]; i++)
		if (marks[i] == 'd')
			set[i / 8] |= (uint8_t)(1U << i % 8);
	return maildrop_commit(&b->md, &(struct changes){.deleted = set, .count = b->md.index.count}, out, &b->why);
}
