/* mail/twin.h - .NAME.new: a file with owner, group, mode and ACL of the mailbox NAME, to be filled and to take its place
 *
 * Hidden, so that it is nobody's mailbox (there may be a user NAME.new). Only whoever holds NAME.lock makes one; what a crash has
 * left of one is removed by the next. Shared by store, in its owner's directories, and locker, in the spool. */
#pragma once
#include <stddef.h>
#include <sys/stat.h>

#include "base/why.h"

enum { TWIN_ACL_MOST = 4096 }; /* octets: about five hundred entries */

/* What the mailbox looks like. */
struct twin_like {
	struct stat st;
	char acl[TWIN_ACL_MOST]; /* as the kernel gives it */
	size_t acl_octets;       /* 0: there is none but the mode */
};
enum err twin_like_file(struct twin_like *like, int fd, struct why *why);

/* In the working directory, for who may not open it. A link is not followed. */
enum err twin_like_name(struct twin_like *like, const char *name, struct why *why);

/* The caller owns *fd, open for reading and writing. ERR_PERM: it cannot be made just like that here; then there is none. */
enum err twin_new(int dir, const char *name, const struct twin_like *like, int *fd, struct why *why);

/* Over NAME, durably. Its octets the caller has made durable. Before OK the mailbox is the old or the new one, whole. */
enum err twin_replace(int dir, const char *name, struct why *why);

/* One that is not there: nothing happens. */
void twin_abandon(int dir, const char *name);

/* Makes the names in a directory durable, whatever kind of descriptor `dir` is. */
enum err directory_sync(int dir, struct why *why);
