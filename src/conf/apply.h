/* conf/apply.h - what a tree means: its statements, found in the table and put into struct conf */
#pragma once
#include "conf/kinds.h"
#include "conf/tree.h"

struct apply {
	struct conf *cf;
	struct report *report;
	struct conf_notice *notice; /* of what may not do what was meant */
	size_t nnotices;
	bool verbose; /* tell what is left to other programs */
	bool no_memory;
};

/* Fills *base, of the group, with the defaults of its rows. False: no memory. */
bool apply_defaults(struct conf *cf, const char *group, void *base);

/* Everything but the servers, then these: so they inherit what stands behind them too. Errors are told. */
void apply_tree(struct apply *a, const struct tree *t);

/* Marks what must not be printed. */
void mark_secrets(struct node *n);
