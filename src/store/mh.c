/* store/mh.c - the MH driver: a directory of numbered files. See mh.h */
#include "store/mh.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what is an MH folder ---- */

struct seen {
	bool number; /* a message */
	bool trace;  /* of MH, Mailutils or us */
	bool part;   /* of a Maildir */
	bool other;
};

static bool is_in(const char *name, const char *const names[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void see(struct seen *s, const struct dirent *e)
{
	static const char *const traces[] = {".mh_sequences", ".mu-prop", MH_INDEX_DIR}, *const parts[] = {"cur", "new",
													   "tmp"};
	const char *name = e->d_name;
	bool file = e->d_type == DT_REG || e->d_type == DT_UNKNOWN;

	if (file && mh_is_number(slice_str(name)))
		s->number = true;
	else if (is_in(name, traces, 3) || (name[0] == ',' && mh_is_number(slice_str(name + 1))))
		s->trace = true;
	else if (is_in(name, parts, 3))
		s->part = true;
	else if (name[0] != '.')
		s->other = true;
}

static enum err look(int fd, struct seen *s, struct why *why)
{
	int dir_fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = dir_fd >= 0 ? fdopendir(dir_fd) : NULL;
	const struct dirent *e = NULL;
	enum err err = OK;

	*s = (struct seen){0};
	if (!dir) {
		err = fail_errno(why, storage_err(errno), "open the directory");
		if (dir_fd >= 0)
			close(dir_fd);
		return err;
	}
	do {
		errno = 0;
		/* cppcheck-suppress readdirCalled ; glibc's is safe for a directory stream of one's own */
		e = readdir(dir);
		if (e)
			see(s, e);
		else if (errno != 0)
			err = fail_errno(why, storage_err(errno), "read the directory");
	} while (e && !s->number);
	closedir(dir);
	return err;
}

/* Whatever lies beside the messages. Where all are gone, something is left to know it by; but what was a Maildir is none. */
static enum err mh_detect(int fd, int accuracy, bool *is, struct why *why)
{
	struct seen s;
	struct stat st;

	(void)accuracy; /* of files */
	*is = false;
	if (fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
		return OK;
	enum err err = look(fd, &s, why);

	*is = err == OK && (s.number || (s.trace && !s.part));
	return err;
}

static enum err mh_create(const char *path, struct why *why)
{
	struct seen s;

	if (mkdirat(AT_FDCWD, path, 0700) == 0)
		return OK;
	if (errno != EEXIST)
		return fail_errno(why, storage_err(errno), "create an MH folder");
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return fail_errno(why, storage_err(errno), "open");
	enum err err = look(fd, &s, why);

	close(fd);
	if (err == OK && (s.number || s.trace || s.part || s.other))
		err = fail(why, ERR_PERM, "it is not an MH folder, and not empty");
	return err;
}

/* ---- a message that may have another number by now ---- */

/* What lies in the folder, kept until the session ends: a client that walks through its mail asks once for each. One at a time in a process. */
static struct {
	uint64_t key; /* of the maildrop */
	struct mh_list list;
} moved;

static void forget(const struct maildrop *md)
{
	if (moved.key == md->key)
		mh_list_done(&moved.list);
}

/* By the list that there is. */
static int open_listed(const struct maildrop *md, const struct message *m, char name[NAME_OCTETS + 1], struct stat *st)
{
	const struct mh_found *f = moved.key == md->key ? mh_list_find(&moved.list, m->entry.at) : NULL;

	if (!f)
		return -1;
	(void)slice_cstr(mh_list_name(&moved.list, f), name, NAME_OCTETS + 1);
	int fd = mh_open(md, name, st);

	if (fd < 0 || mh_file(st) == m->entry.at)
		return fd;
	close(fd);
	return -1;
}

enum err mh_open_moved(const struct maildrop *md, const struct message *m, char name[NAME_OCTETS + 1], struct stat *st,
		       int *fd, unsigned *readings, struct why *why)
{
	*fd = open_listed(md, m, name, st);
	if (*fd >= 0 || *readings == 0)
		return OK;
	--*readings;
	moved.key = md->key;
	enum err err = mh_list_read(&moved.list, md, why);

	*fd = err == OK ? open_listed(md, m, name, st) : -1;
	return err;
}

/* By its number, where the file is as it was; else where that file is; else by its number, and the checksum decides. */
static enum err mh_body(const struct maildrop *md, const struct message *m, struct body *out, struct why *why)
{
	char name[NAME_OCTETS + 1];
	struct stat st, st_moved;
	int fd = mh_open(md, m->name, &st), fd_moved = -1;
	bool same = fd >= 0 && mh_file(&st) == m->entry.at;
	unsigned readings = 1;
	enum err err = OK;

	if (fd < 0 && errno != ENOENT && errno != ELOOP)
		return fail_errno(why, storage_err(errno), "open message %s", m->name);
	if (!same)
		err = mh_open_moved(md, m, name, &st_moved, &fd_moved, &readings, why);
	if (fd_moved >= 0 || err != OK) {
		if (fd >= 0)
			close(fd);
		fd = fd_moved;
		st = st_moved;
		same = true;
	}
	if (fd < 0)
		return err != OK ? err : fail(why, ERR_TEMP, "message %s has been removed by another program", m->name);
	*out = (struct body){.fd = fd, .octets = (uint64_t)st.st_size, .same = same};
	return OK;
}

const struct store_driver mh_driver = {
	.name = "mh",
	.index_name = MH_INDEX_DIR "/listing",
	.wire_rules = MH_RULES,
	.detect = mh_detect,
	.create = mh_create,
	.stamp = mh_stamp,
	.scan = mh_scan,
	.grow = mh_grow,
	.body = mh_body,
	.commit = mh_commit,
	.unmark = mh_unmark,
	.deliver = mh_bring,
	.find_delivered = mh_find_brought,
	.end_delivery = mh_end_bringing,
	.close = forget,
};
