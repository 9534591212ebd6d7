/* tools/popauth_files.c - popauth's databases from text files and to them
 *
 * A database that is made is filled in a directory of its own beside its place, and put there when it is whole: whoever reads
 * sees the old one or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "tools/popauth.h"

static int failed(const char *what, const char *name)
{
	(void)fprintf(stderr, "popauth: %s %s: %s\n", what, name, strerror(errno));
	return EX_FAILED;
}

/* --- create ----------------------------------------------------------------------------------------------------- */

/* A line `NAME PASSWORD'. False: it is none; name.n 0: nothing is wrong with that. */
static bool line_read(struct slice line, bool colon, struct slice *name, struct slice *secret)
{
	*name = *secret = (struct slice){0};
	while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	line = slice_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return true;
	struct slice word = {line.p, 0};

	while (word.n < line.n && word.p[word.n] != ' ' && word.p[word.n] != '\t')
		word.n++;
	*secret = slice_trim((struct slice){line.p + word.n, line.n - word.n});
	if (colon && word.n > 0 && word.p[word.n - 1] == ':')
		word.n--;
	*name = word;
	return word.n > 0 && secret->n > 0;
}

/* Lines that are none are told, and the others are taken. */
static int fill(const struct request *r, FILE *from, struct dbm *db)
{
	char *text = NULL;
	size_t cap = 0;
	ssize_t n;
	struct why why = {""};
	int status = EX_OK;

	for (unsigned long line = 1; status == EX_OK && (n = getline(&text, &cap, from)) >= 0; line++) {
		struct slice name, secret;

		if (!line_read((struct slice){text, (size_t)n}, r->compatibility, &name, &secret) ||
		    (name.n > 0 && !popauth_is_storable(name, secret)))
			(void)fprintf(stderr, "popauth: %s:%lu: malformed line\n", r->input ? r->input : "", line);
		else if (name.n > 0 && dbm_put(db, name, secret, &why) != OK)
			status = EX_SOFTWARE;
		explicit_bzero(text, (size_t)n);
	}
	free(text);
	if (ferror(from))
		return failed("cannot read", r->input ? r->input : "standard input");
	if (status == EX_OK && dbm_sync(db, &why) != OK)
		status = EX_SOFTWARE;
	if (status != EX_OK)
		(void)fprintf(stderr, "popauth: %s\n", why.text);
	return status;
}

/* As the one that it takes the place of: who may read it is not ours to change, unless it was said. */
static void keep_owner(const char *from, const char *to)
{
	struct stat st;

	if (geteuid() == 0 && stat(to, &st) == 0 && chown(from, st.st_uid, st.st_gid) < 0)
		(void)failed("cannot keep the owner of", to);
}

/* Fills a database in the directory, and puts it into its place. */
static int make_in(const struct request *r, const char *dir, const struct dbm_name *name, FILE *from)
{
	struct dbm_how how = {.use = DBM_MAKE, .mode = r->mode};
	struct dbm_name temp = *name;
	struct why why = {""};
	char lock[PATH_MAX + 8];
	struct dbm *db;
	int n = snprintf(temp.path, sizeof temp.path, "%s/db", dir);

	if (n < 0 || n >= (int)sizeof temp.path)
		return EX_SOFTWARE;
	temp.checks = 0;
	if (dbm_open(&db, &temp, &how, &why) != OK) {
		(void)fprintf(stderr, "popauth: %s\n", why.text);
		return EX_SOFTWARE;
	}
	int status = fill(r, from, db);

	dbm_close(db);
	keep_owner(temp.path, name->path);
	if (status == EX_OK && rename(temp.path, name->path) < 0)
		status = failed("cannot make", name->path);
	(void)unlink(temp.path); /* where it is there still */
	(void)snprintf(lock, sizeof lock, "%s-lock", temp.path);
	(void)unlink(lock); /* of lmdb */
	return status;
}

int popauth_create(const struct request *r)
{
	const char *output = r->output ? r->output : APOP_DATABASE;
	FILE *from = r->input ? fopen(r->input, "re") : stdin;
	char dir[PATH_MAX];
	struct dbm_name name;
	int n, status = EX_USAGE;

	if (!from)
		return failed("cannot open file", r->input);
	if (popauth_name(r, output, &name)) {
		n = snprintf(dir, sizeof dir, "%s.XXXXXX", name.path);
		if (n < 0 || n >= (int)sizeof dir - 8 || !mkdtemp(dir)) {
			status = failed("cannot make a directory beside", name.path);
		} else {
			status = make_in(r, dir, &name, from);
			(void)rmdir(dir);
		}
	}
	if (from != stdin)
		(void)fclose(from);
	return status;
}

/* --- list ------------------------------------------------------------------------------------------------------- */

struct list {
	FILE *to;
	const char *separator;
};

static enum err print(void *arg, struct slice name, struct slice secret, struct why *why)
{
	const struct list *l = arg;

	if (fprintf(l->to, "%.*s%s%.*s\n", (int)name.n, name.p, l->separator, (int)secret.n, secret.p) < 0)
		return fail_errno(why, ERR_TEMP, "cannot write");
	return OK;
}

static enum err print_one(const struct list *l, struct dbm *db, const char *user, struct why *why)
{
	char text[DBM_VALUE_MOST];
	struct buf value = BUF(text);
	bool found;
	enum err err = dbm_get(db, slice_str(user), &value, &found, why);

	if (err == OK && found)
		err = print((void *)l, slice_str(user), buf_slice(&value), why);
	else if (err == OK)
		(void)fprintf(stderr, "popauth: no such user: %s\n", user);
	explicit_bzero(text, sizeof text);
	return err;
}

/* Nobody else may read a file that is made. */
static FILE *list_open(const struct request *r)
{
	int fd = r->output ? open(r->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600) : -1;

	return r->output ? (fd >= 0 ? fdopen(fd, "w") : NULL) : stdout;
}

int popauth_list(const struct request *r)
{
	struct list l = {.separator = r->compatibility ? ": " : " "};
	struct why why = {""};
	int status;
	struct dbm *db = popauth_open(r, r->input ? r->input : APOP_DATABASE, DBM_READ, &status);

	if (!db)
		return status;
	l.to = list_open(r);
	if (!l.to) {
		dbm_close(db);
		return failed("cannot create file", r->output);
	}
	enum err err = r->user ? print_one(&l, db, r->user, &why) : dbm_walk(db, print, &l, NULL, &why);

	dbm_close(db);
	if (fflush(l.to) != 0 && err == OK)
		err = fail_errno(&why, ERR_TEMP, "cannot write");
	if (l.to != stdout && fclose(l.to) != 0 && err == OK)
		err = fail_errno(&why, ERR_TEMP, "cannot write %s", r->output);
	if (err != OK)
		(void)fprintf(stderr, "popauth: %s\n", why.text);
	return err == OK ? EX_OK : EX_SOFTWARE;
}
