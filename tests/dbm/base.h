/* tests/dbm/base.h - a directory of its own, and databases in it */
#pragma once
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dbm/dbm.h"

#include "check.h"

struct base {
	char dir[64], path[128], text[160]; /* text: the name with its scheme */
	struct dbm_name name;
	struct why why;
};

static inline int base_remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static inline void base_init(struct base *b, const char *scheme)
{
	*b = (struct base){0};
	(void)snprintf(b->dir, sizeof b->dir, "/tmp/poplar-dbm-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	(void)snprintf(b->path, sizeof b->path, "%s/x.db", b->dir);
	(void)snprintf(b->text, sizeof b->text, "%s://%s", scheme, b->path);
	if (dbm_name_read(slice_str(b->text), CHECK_ALL, geteuid(), &b->name, &b->why) != OK)
		print_error("%s\n", b->why.text);
	assert_non_null(b->name.driver);
}

static inline void base_done(struct base *b)
{
	assert_int_equal(nftw(b->dir, base_remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline enum err base_open(struct base *b, struct dbm **db, enum dbm_use use)
{
	struct dbm_how how = {.use = use, .mode = 0600};

	b->why.text[0] = '\0';
	return dbm_open(db, &b->name, &how, &b->why);
}

/* What a key has, as text; "-": nothing; "!": an error, which is in why. */
static inline const char *base_get(struct base *b, struct dbm *db, const char *key)
{
	static char text[DBM_VALUE_MOST + 1];
	struct buf value = {.p = text, .cap = DBM_VALUE_MOST};
	bool found = false;

	if (dbm_get(db, slice_str(key), &value, &found, &b->why) != OK)
		return "!";
	text[value.len] = '\0';
	return found ? text : "-";
}

/* The same from a handle of its own. */
static inline const char *base_look(struct base *b, const char *key)
{
	struct dbm *db;

	if (base_open(b, &db, DBM_READ) != OK)
		return "!";
	const char *text = base_get(b, db, key);

	dbm_close(db);
	return text;
}

/* One record by a handle of its own, made durable. */
static inline enum err base_put(struct base *b, const char *key, const char *value)
{
	struct dbm *db;
	enum err err = base_open(b, &db, DBM_MAKE);

	if (err == OK)
		err = dbm_put(db, slice_str(key), slice_str(value), &b->why);
	if (err == OK)
		err = dbm_sync(db, &b->why);
	dbm_close(db);
	return err;
}

/* Runs a command of the shell with $DB and $DIR; returns its status. */
static inline int base_run(const struct base *b, const char *command)
{
	assert_int_equal(setenv("DB", b->path, 1), 0);
	assert_int_equal(setenv("DIR", b->dir, 1), 0);
	return system(command); /* NOLINT(cert-env33-c): a text of ours */
}
