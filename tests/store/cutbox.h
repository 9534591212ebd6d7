/* tests/store/cutbox.h - a file to be cut, in a directory of its own, with one for its journals beside it */
#pragma once
#include "store/cut.h"

enum { CUTBOX_MOST = 64 * 1024 }; /* octets of the file */

enum cut_way { WAY_RENAME, WAY_IN_PLACE, WAYS };

struct cutbox {
	char top[48];
	int dir, journals, fd;
	struct spool spool;
	struct journal_place journal;
	struct cut_file file;
	char path[64];
	char text[CUTBOX_MOST]; /* what was read */
	size_t octets;
	struct why why;
};

/* A file of these octets. */
void cutbox_new(struct cutbox *b, enum cut_way way, const char *text, size_t octets);
void cutbox_free(struct cutbox *b);

/* Others append. */
void cutbox_append(const char *path, const char *text);

/* The file by its name now, into b->text. */
void cutbox_read(struct cutbox *b);

/* Opens what the name is now; replays the journal that is left, if there is one. */
enum err cutbox_again(struct cutbox *b);

/* Files in the directory of journals, but for `spare`. */
unsigned cutbox_journals(const struct cutbox *b);

/* Removes all of them, and `spare`. */
void cutbox_clear(const struct cutbox *b);

/* What is right: the octets without the cuts. */
size_t cut_model(const char *text, size_t octets, const struct cut *cut, size_t n, char *out);

/* Text that is different everywhere. */
void cut_fill(char *text, size_t octets);
