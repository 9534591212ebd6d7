/* tools/popctl.h - what the commands of popctl share */
#pragma once
#include "base/why.h"
#include "conf/conf.h"

/* What popctl exits with: sysexits.h, and this. */
enum {
	EX_DIFFERENT = 1, /* ids are, or would be, other than a listing says */
	EX_REFUSED = 1,   /* the user may not log in */
};

/* The user who owns mail, and where things of his are. */
struct ground {
	const struct conf *cf;
	int session_fd; /* of his session locks */
	char index_dir[4096], journal_dir[4096], uidl_dir[4096];
};

/* Becomes the owner of the mail at `path`, for good; everything of ours that he needs is made first. On an error the program must end. */
enum err ground_enter(struct ground *g, const char *path, struct why *why);

/* popctl uidl ...: the status to exit with. */
int uidl_command(struct conf *cf, int argc, char **argv);

/* popctl auth ..., popctl penalties ...: the same. */
int auth_command(struct conf *cf, int argc, char **argv);
int penalties_command(struct conf *cf, int argc, char **argv);
