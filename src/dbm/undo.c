/* dbm/undo.c - see undo.h
 *
 * A note is a header, then pieces (an offset, a length, the octets), and is worth something only where its sum is right: one that was not
 * written to its end belongs to a put that had not begun. */
#include "dbm/undo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dbm/gdbm_layout.h"

enum {
	NOTE_MOST = 64 * 1024 * 1024,
	STACKED_MOST = 4, /* blocks of free space that one put may take up */
	PUT_S = 5, /* a put takes less: a file that was changed so long after its note was changed by another program */
};

/* --- writing a note --------------------------------------------------------------------------------------------- */

struct note_head {
	char magic[8];
	uint64_t sum; /* of all that follows */
	uint64_t octets;
	uint64_t dev, ino, file_octets;
};
struct piece {
	int64_t at;
	uint64_t n;
};
static const char note_magic[8] = {'g', 'd', 'b', 'm', 'u', 'n', 'd', '1'};

struct note {
	char *p;
	size_t n, cap;
};

static uint64_t sum_of(const char *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* So many octets of the file, or fewer where it ends. */
static bool add(struct note *note, int fd, int64_t at, size_t n)
{
	struct piece piece = {.at = at};
	size_t more = sizeof piece + n;

	if (note->n + more > NOTE_MOST)
		return false;
	if (note->n + more > note->cap) {
		size_t cap = 2 * (note->n + more);
		char *p = realloc(note->p, cap);

		if (!p)
			return false;
		note->p = p;
		note->cap = cap;
	}
	ssize_t got = at < 0 ? -1 : pread(fd, note->p + note->n + sizeof piece, n, at);

	if (got < 0)
		return false;
	piece.n = (uint64_t)got;
	memcpy(note->p + note->n, &piece, sizeof piece);
	note->n += sizeof piece + (size_t)got;
	return true;
}

static bool note_path(const struct dbm *db, char path[PATH_MAX])
{
	const char *name = strrchr(db->name.path, '/');
	int dir = name ? (int)(name + 1 - db->name.path) : 0;
	int n = snprintf(path, PATH_MAX, "%.*s.%s.pop3d-undo", dir, db->name.path, db->name.path + dir);

	return db->how.fd <= 0 && n > 0 && n < PATH_MAX;
}

/* Blocks of free space that the header leads to. */
static bool add_stack(struct note *note, int fd, const struct gdbm_header *h)
{
	int64_t at = sizeof *h + (h->magic == GDBM_MAGIC_NUMSYNC ? GDBM_NUMSYNC_OCTETS : 0);
	struct gdbm_avail a;

	if (!gdbm_read_at(fd, &a, sizeof a, at))
		return false;
	for (int i = 0; i < STACKED_MOST && a.next > 0; i++) {
		at = a.next;
		if (!gdbm_read_at(fd, &a, sizeof a, at) || a.size < 0 || a.size > 1 << 20 ||
		    !add(note, fd, at, sizeof a + (size_t)a.size * GDBM_AVAIL_ELEMENT))
			return false;
	}
	return true;
}

/* The bucket of a key, and records in it that have the key's hash; *fits: one of them is that key, with a value of the same length. */
static bool add_bucket(struct note *note, int fd, const struct gdbm_header *h, struct slice key,
		       const struct slice *value, bool *full, bool *fits)
{
	uint32_t hash = gdbm_hash(key);
	size_t from = note->n + sizeof(struct piece), n = (size_t)h->bucket_size;
	struct gdbm_bucket b;
	struct gdbm_element e;
	int64_t at;

	if (!gdbm_bucket_at(fd, h, hash, &at) || !add(note, fd, at, n) || note->n - from != n)
		return false;
	memcpy(&b, note->p + from, sizeof b);
	*full = b.count >= h->bucket_elements;
	for (size_t i = 0; i < (size_t)h->bucket_elements; i++) {
		memcpy(&e, note->p + from + sizeof b + i * sizeof e, sizeof e);
		if (e.hash != (int32_t)hash || e.key_octets < 0 || e.value_octets < 0)
			continue;
		*fits |= value && (size_t)e.key_octets == key.n && (size_t)e.value_octets == value->n;
		if (!add(note, fd, e.at, (size_t)e.key_octets + (size_t)e.value_octets))
			return false;
	}
	return true;
}

/* False: the file is not one that we know, or has not what it should. What *fits needs no more. */
static bool gather(struct note *note, int fd, struct slice key, const struct slice *value, bool *fits)
{
	struct gdbm_header h;
	bool full = false;

	if (!gdbm_read_at(fd, &h, sizeof h, 0) || !gdbm_is_known(&h) ||
	    !add_bucket(note, fd, &h, key, value, &full, fits))
		return false;
	return *fits || (add(note, fd, 0, (size_t)h.block_size) && add_stack(note, fd, &h) &&
			 (!full || add(note, fd, h.dir, (size_t)h.dir_size)));
}

static enum err note_write(const struct dbm *db, const char *path, struct note *note, const struct stat *file,
			   struct why *why)
{
	struct note_head head = {.sum = sum_of(note->p + sizeof head, note->n - sizeof head),
				 .octets = note->n,
				 .dev = file->st_dev,
				 .ino = file->st_ino,
				 .file_octets = (uint64_t)file->st_size};
	(void)unlink(path); /* of whoever: it must be ours, since it holds what the database does */
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, file->st_mode & 0666);

	if (fd < 0)
		return OK; /* where nothing can be made, things are as with any other program */
	memcpy(head.magic, note_magic, sizeof head.magic);
	memcpy(note->p, &head, sizeof head);
	bool written = fchmod(fd, file->st_mode & 0666) == 0 && write(fd, note->p, note->n) == (ssize_t)note->n;
	enum err err = written ? OK : dbm_failed(db, "what a put changes cannot be noted", why);

	close(fd);
	if (!written)
		(void)unlink(path);
	return err;
}

enum err undo_note(const struct dbm *db, int fd, struct slice key, const struct slice *value, bool *noted,
		   struct why *why)
{
	struct note note = {.n = sizeof(struct note_head), .cap = 4096};
	char path[PATH_MAX];
	struct stat st;
	bool fits = false;
	enum err err = OK;

	*noted = false;
	note.p = note_path(db, path) ? calloc(1, note.cap) : NULL;
	if (note.p && fstat(fd, &st) == 0 && gather(&note, fd, key, value, &fits) && !fits) {
		err = note_write(db, path, &note, &st, why);
		*noted = err == OK;
	}
	if (note.p)
		explicit_bzero(note.p, note.n);
	free(note.p);
	return err;
}

void undo_forget(const struct dbm *db)
{
	char path[PATH_MAX];

	if (note_path(db, path))
		(void)unlink(
			path); /* where it stays, the next who opens the file undoes a put that was finished: as if it had not been */
}

/* --- putting back ----------------------------------------------------------------------------------------------- */

bool undo_is_there(const struct dbm *db)
{
	char path[PATH_MAX];
	struct stat st;

	return note_path(db, path) && lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* A whole note about this file, by somebody who may write to it. Heap; NULL: there is none. */
static char *note_read(int from, int fd, size_t *n)
{
	struct stat note, file;
	struct note_head head;
	char *p = NULL;

	if (fstat(from, &note) < 0 || fstat(fd, &file) < 0 || !S_ISREG(note.st_mode) || note.st_size > NOTE_MOST ||
	    (note.st_uid != 0 && note.st_uid != file.st_uid && note.st_uid != geteuid()) ||
	    (note.st_mode & 0777 & ~file.st_mode) != 0 || !gdbm_read_at(from, &head, sizeof head, 0) ||
	    memcmp(head.magic, note_magic, sizeof head.magic) != 0 ||
	    file.st_mtim.tv_sec > note.st_mtim.tv_sec + PUT_S || head.octets != (uint64_t)note.st_size ||
	    head.dev != file.st_dev || head.ino != file.st_ino)
		return NULL;
	*n = (size_t)note.st_size;
	p = malloc(*n);
	if (p && gdbm_read_at(from, p, *n, 0) && sum_of(p + sizeof head, *n - sizeof head) == head.sum)
		return p;
	free(p);
	return NULL;
}

static enum err put_back(const struct dbm *db, int fd, const char *p, size_t n, struct why *why)
{
	struct note_head head;
	struct piece piece;

	memcpy(&head, p, sizeof head);
	for (size_t at = sizeof head; at < n; at += sizeof piece + piece.n) {
		if (n - at < sizeof piece)
			return OK;
		memcpy(&piece, p + at, sizeof piece);
		if (piece.n > n - at - sizeof piece)
			return OK;
		if (pwrite(fd, p + at + sizeof piece, piece.n, piece.at) != (ssize_t)piece.n)
			return dbm_failed(db, "a put that was cut off cannot be undone", why);
	}
	return ftruncate(fd, (off_t)head.file_octets) == 0 && fsync(fd) == 0
		       ? OK
		       : dbm_failed(db, "a put that was cut off cannot be undone", why);
}

enum err undo_apply(const struct dbm *db, int fd, struct why *why)
{
	char path[PATH_MAX], *p;
	size_t n;
	enum err err = OK;
	int from = note_path(db, path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) : -1;

	if (from < 0)
		return OK;
	p = note_read(from, fd, &n);
	if (p) {
		err = put_back(db, fd, p, n, why);
		explicit_bzero(p, n);
		free(p);
	}
	close(from);
	if (err == OK)
		(void)unlink(path);
	return err;
}
