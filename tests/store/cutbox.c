/* tests/store/cutbox.c - see cutbox.h */
#include "cutbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "store/shift.h"

static int dir_make(const char *top, const char *name)
{
	char path[64];

	check(snprintf(path, sizeof path, "%s/%s", top, name) < (int)sizeof path);
	check(mkdir(path, 0700) == 0);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	check(fd >= 0);
	return fd;
}

static void file_open(struct cutbox *b)
{
	if (b->fd >= 0)
		close(b->fd);
	b->fd = open(b->path, O_RDWR | O_CLOEXEC);
	check(b->fd >= 0);
	b->file.fd = b->fd;
}

void cutbox_new(struct cutbox *b, enum cut_way way, const char *text, size_t octets)
{
	*b = (struct cutbox){.top = "/tmp/pop3d-cut-XXXXXX", .fd = -1};
	check(mkdtemp(b->top) != NULL);
	b->dir = dir_make(b->top, "mail");
	b->journals = dir_make(b->top, "journal");
	check(snprintf(b->path, sizeof b->path, "%s/mail/mbox", b->top) < (int)sizeof b->path);
	FILE *f = fopen(b->path, "w");

	check(f && fwrite(text, 1, octets, f) == octets && fclose(f) == 0);
	check(spool_init(&b->spool, b->dir, "mbox", NULL, &b->why) == OK);
	b->journal = (struct journal_place){.dir = b->journals, .path = b->path, .window = 4096};
	b->file = (struct cut_file){.spool = &b->spool, .may_rename = way == WAY_RENAME, .journal = &b->journal};
	file_open(b);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

void cutbox_free(struct cutbox *b)
{
	close(b->fd);
	close(b->dir);
	close(b->journals);
	check(nftw(b->top, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

void cutbox_append(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");

	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

void cutbox_read(struct cutbox *b)
{
	FILE *f = fopen(b->path, "r");

	check(f != NULL);
	b->octets = fread(b->text, 1, sizeof b->text, f);
	check(b->octets < sizeof b->text && fclose(f) == 0);
}

enum err cutbox_again(struct cutbox *b)
{
	struct stat st;
	char name[JOURNAL_NAME];

	file_open(b);
	check(fstat(b->fd, &st) == 0);
	journal_name(st.st_ino, name);
	return journal_is_left(&b->journal, st.st_ino) ? shift_replay(&b->file, name, &b->why) : OK;
}

static DIR *journals_list(const struct cutbox *b)
{
	int fd = openat(b->journals, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	check(d != NULL);
	return d;
}

/* cppcheck-suppress-begin readdirCalled ; glibc's is safe for a directory stream of one's own */
unsigned cutbox_journals(const struct cutbox *b)
{
	DIR *d = journals_list(b);
	const struct dirent *e;
	unsigned n = 0;

	while ((e = readdir(d)))
		n += e->d_name[0] != '.' && strcmp(e->d_name, "spare") != 0;
	closedir(d);
	return n;
}

void cutbox_clear(const struct cutbox *b)
{
	DIR *d = journals_list(b);
	const struct dirent *e;

	while ((e = readdir(d)))
		check_row(0, e->d_name, e->d_name[0] == '.' || unlinkat(b->journals, e->d_name, 0) == 0);
	closedir(d);
}
/* cppcheck-suppress-end readdirCalled */

size_t cut_model(const char *text, size_t octets, const struct cut *cut, size_t n, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < octets; i++) {
		bool goes = false;

		for (size_t k = 0; k < n; k++)
			goes |= i >= cut[k].from && i < cut[k].to;
		if (!goes)
			out[len++] = text[i];
	}
	return len;
}

void cut_fill(char *text, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		text[i] = (char)(i % 16 < 15 ? "0123456789abcdef"[i >> (4 * (i % 16 / 2)) & 15] : '\n');
}
