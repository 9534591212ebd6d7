/* master/confine.h - what is taken away from a child before it does anything: the walls between the roles
 *
 *	front, hash	an empty root directory; Landlock with nothing allowed; a user without rights
 *	auth		a user without rights; may read beneath the directories of password files, and nothing else
 *	access		a user without rights; may read and run what belongs to the system, and what lies beside its programs
 *	backend		a user without rights; may read and map what belongs to the system and the files that its block names, connect,
 *			and for a file that is a data base, write beside it; starts no process. That of PAM is free but for dumps of its memory
 *	state		a user without rights, in the group of its data bases; may read and write these files, and nothing else
 *	opener		root without the rights of root, but for being whoever owns the mail when it looks at files; no system directories, and nothing is written
 *	store		the owner of the mail, no further groups; no system directories, no devices, no programs
 *
 * and the system calls of master/syscalls.h for each. Where the kernel has no Landlock, what it would do is missing; where we
 * were not started as root, the user stays and there is no other root directory. */
#pragma once
#include "conf/conf.h"
#include "ipc/catalogue.h"
#include "master/privs.h"

enum { CONFINE_DIRS_MOST = 5 };

struct confinement {
	enum role role;
	struct privs privs;
	const char *root; /* front, hash, locker: becomes the root directory; NULL: not started as root */
	/* auth: what it may look into; locker: the spool; store: besides the usual places of mail; state: its files. NULL: fewer. */
	const char *dirs[CONFINE_DIRS_MOST];
	const struct conf *programs; /* access: those of its lists are run */
	const char *locks;           /* store: where it may make files of locks; NULL: nowhere */
	const char *look;            /* store: where it may only read; NULL: nowhere */
	const struct conf *backend;  /* backend: its configuration, and which block of it is its own */
	const char *module;
	bool stays; /* opener: the user stays, with the rights to be others in the file system and nothing else */
	bool free;  /* backend: nothing is taken away, but that its memory can be dumped */
};

/* Everything but the system calls. Needs /, so it comes before descriptors are closed; after an error the process must end. */
enum err confine(const struct confinement *c, struct why *why);

/* Adds what this role may reach to rules that are in the making. */
struct landlock;
enum err confine_rules(const struct confinement *c, const struct landlock *l, struct why *why);

/* The last step (syscalls_restrict; ROLE_MASTER: none) and the parent's death: from here on the process ends with it. */
enum err confine_finish(enum role role, pid_t parent, struct why *why);

/* True for a top-level directory (its name, without a slash) where no mail is looked for: the system's own. */
bool confine_is_system(const char *name);
