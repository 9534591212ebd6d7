/* conf/apply.h - what a tree means: its statements, found in the table and put into struct conf */
#pragma once
#include "conf/kinds.h"
#include "conf/tree.h"

/* A statement that does not do anything yet, until it is known which of them matter. */
struct pending {
	struct conf_notice notice;
	const struct block *block; /* that it stands in; NULL: none */
	const void *base;          /* the struct that this fills */
};

struct apply {
	struct conf *cf;
	struct report *report;
	struct pending *pending;
	size_t npending;
	bool verbose; /* tell what is left to other programs */
	bool no_memory;
};

/* Fills *base, of the group, with the defaults of its rows. False: no memory. */
bool apply_defaults(struct conf *cf, const char *group, void *base);

/* Everything but the servers, then these: so they inherit what stands behind them too. Errors are told. */
void apply_tree(struct apply *a, const struct tree *t);

/* Marks what must not be printed. */
void mark_secrets(struct node *n);
