/* conf/tree.h - what configuration files say, before anybody knows what it means
 *
 * Statements in the order they stand, with their values and places; included files are part of it. Made by tree_read and
 * tree_set, given a meaning by apply.h, printed by tree_dump. Everything lives in the arena. */
#pragma once
#include "base/arena.h"
#include "conf/conf.h"
#include "conf/report.h"

enum {
	NESTING_MOST = 16,           /* blocks in blocks, lists in lists, files in files */
	FILES_MOST = 1000,           /* included, all in all */
	FILE_OCTETS_MOST = 4 << 20,  /* of one file */
	TREE_OCTETS_MOST = 256 << 20 /* of everything that is read */
};

struct value {
	struct value *next;
	const char *text;   /* NULL: a list */
	struct value *item; /* of a list: never empty */
};

struct node {
	struct node *next;
	const char *keyword;
	struct value *values; /* of a block: its label */
	struct node *child;   /* of a block */
	bool block, secret;   /* secret: not to be printed */
	struct range at;      /* from the keyword to the `;' or `}' */
};

struct tree {
	struct node *first;
	struct node *pragma; /* "#debug=" comments: values are the specifications */
	struct node **pragma_end;
	struct arena *arena;
	struct report *report;
	bool syntax_error; /* told already */
	bool no_memory;
};

void tree_init(struct tree *t, struct arena *arena, struct report *report);

/* Takes the text of one file apart; statements are added behind *first. What cannot be read is told. */
void tree_parse(struct tree *t, struct node **first, const char *file, struct slice text);

/* Reads the files that `src` names: includes, then the `program' blocks behind all else. */
void tree_read(struct tree *t, const struct conf_source *src);

/* Adds what one --set says: to the block that it names, made where there is none. */
void tree_set(struct tree *t, const char *program, const char *setting);

/* Prints the statements with their places: --config-verbose twice. Secrets are shown as ***. */
void tree_dump(FILE *f, const struct node *first);

/* The single text of a statement or label; NULL where there is none, several, or a list. */
const char *node_text(const struct node *n);
struct node **node_end(struct node **first);
