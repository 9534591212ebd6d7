/* tests/conf/given.h - configurations from texts, for the tests of src/conf
 *
 * Each test program works in a directory of its own, so that files have short names: "f.conf". */
#pragma once
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

#include "check.h"

/* Group set-up and tear-down: an empty directory, and its end with all files in it. */
static char given_dir[] = "/tmp/conf-test-XXXXXX";

static inline int given_begin(void **state)
{
	(void)state;
	return mkdtemp(given_dir) && chdir(given_dir) == 0 ? 0 : -1;
}

static inline int given_remove(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	return at->level > 0 ? remove(path) : 0;
}

/* Removes all files. */
static inline void given_none(void)
{
	assert_int_equal(nftw(given_dir, given_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static inline int given_end(void **state)
{
	(void)state;
	given_none();
	return chdir("/") == 0 ? rmdir(given_dir) : -1;
}

static inline void given_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What conf_load did. */
struct loaded {
	int status;
	struct conf *cf;
	char *said; /* all that it wrote */
};

static inline struct loaded given_load(struct conf_source src)
{
	struct loaded g = {0};
	size_t n;

	src.program = src.program ? src.program : "pop3d";
	src.err = open_memstream(&g.said, &n);
	assert_non_null(src.err);
	g.status = conf_load(&src, &g.cf);
	assert_int_equal(fclose(src.err), 0);
	return g;
}

/* The text as --config-file. */
static inline struct loaded given_text(const char *text)
{
	given_file("f.conf", text);
	return given_load((struct conf_source){.config_file = "f.conf"});
}

static inline void given_free(struct loaded *g)
{
	conf_free(g->cf);
	free(g->said);
}
