/* master/privs.c - see privs.h */
#include "master/privs.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CAPS_MOST = 64 };

enum err identity_find(const char *user, struct identity *id, struct why *why)
{
	errno = 0;
	const struct passwd *pw = getpwnam(user);

	if (!pw && errno != 0)
		return fail_errno(why, ERR_TEMP, "look up user %s", user);
	if (!pw)
		return fail(why, ERR_PERM,
			    "there is no user %s: make it with \"systemd-sysusers\", or with"
			    " \"useradd --system --no-create-home --shell /usr/sbin/nologin %s\"",
			    user, user);
	if (pw->pw_uid == 0)
		return fail(why, ERR_PERM, "user %s has uid 0: it must be one without rights", user);
	*id = (struct identity){.uid = pw->pw_uid, .gid = pw->pw_gid};
	return OK;
}

bool group_find(const char *name, gid_t *gid)
{
	const struct group *g = getgrnam(name);

	if (g)
		*gid = g->gr_gid;
	return g != NULL;
}

/* Wide enough for every capability: two of the kernel's structs. */
struct caps {
	struct __user_cap_data_struct half[_LINUX_CAPABILITY_U32S_3];
};

static enum err caps_get(struct caps *caps, struct why *why)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &head, caps->half) < 0 ? fail_errno(why, ERR_TEMP, "read capabilities") : OK;
}

static enum err caps_set(uint64_t keep, struct why *why)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	uint32_t low = (uint32_t)keep, high = (uint32_t)(keep >> 32);
	struct caps caps = {{{.effective = low, .permitted = low}, {.effective = high, .permitted = high}}};

	return syscall(SYS_capset, &head, caps.half) < 0 ? fail_errno(why, ERR_TEMP, "set capabilities") : OK;
}

static bool bounding_is_clear; /* and so it is for whoever is forked from here on */

/* What no program could get back even by executing a privileged file. */
static enum err bounding_clear(struct why *why)
{
	if (bounding_is_clear)
		return OK;
	for (unsigned long cap = 0; cap < CAPS_MOST; cap++) {
		int has = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (has < 0)
			break; /* the kernel's last one was before */
		if (has > 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return fail_errno(why, ERR_TEMP, "drop capability %lu from the bounding set", cap);
	}
	bounding_is_clear = true;
	return OK;
}

static enum err identity_change(const struct privs *p, struct why *why)
{
	if (p->id.uid == 0)
		return fail(why, ERR_PERM, "no process that meets strangers or mail runs as root");
	if (p->in_group && p->group == 0)
		return fail(why, ERR_PERM, "no process that meets strangers or mail is in group root");
	if (bounding_clear(why) != OK)
		return ERR_TEMP;
	if (p->keep != 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return fail_errno(why, ERR_TEMP, "keep capabilities");
	if (setgroups(p->in_group ? 1 : 0, &p->group) < 0)
		return fail_errno(why, ERR_TEMP, "set the supplementary groups");
	if (setresgid(p->id.gid, p->id.gid, p->id.gid) < 0)
		return fail_errno(why, ERR_TEMP, "become gid %u", (unsigned)p->id.gid);
	if (setresuid(p->id.uid, p->id.uid, p->id.uid) < 0)
		return fail_errno(why, ERR_TEMP, "become uid %u", (unsigned)p->id.uid);
	return OK;
}

static enum err groups_check(const struct privs *p, struct why *why)
{
	gid_t group = 0;
	int n = getgroups(0, NULL);

	if (n != (p->in_group ? 1 : 0))
		return fail(why, ERR_TEMP, "there are %d supplementary groups", n);
	if (p->in_group && (getgroups(1, &group) != 1 || group != p->group))
		return fail(why, ERR_TEMP, "the supplementary group is not the one that was set");
	return OK;
}

static enum err identity_check(const struct privs *p, struct why *why)
{
	const struct identity *id = &p->id;
	uid_t uid[3];
	gid_t gid[3];

	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return fail_errno(why, ERR_TEMP, "read the user back");
	for (int i = 0; i < 3; i++)
		if (uid[i] != id->uid || gid[i] != id->gid)
			return fail(why, ERR_TEMP, "the user did not change");
	if (groups_check(p, why) != OK)
		return ERR_TEMP;
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		return fail(why, ERR_TEMP, "the way back to root is open");
	if (id->gid != 0 && setresgid((gid_t)-1, 0, (gid_t)-1) == 0)
		return fail(why, ERR_TEMP, "the way back to group root is open");
	return OK;
}

static enum err caps_check(uint64_t keep, struct why *why)
{
	struct caps caps;

	if (caps_get(&caps, why) != OK)
		return ERR_TEMP;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		uint32_t want = (uint32_t)(keep >> 32 * i);

		if (caps.half[i].effective != want || caps.half[i].permitted != want || caps.half[i].inheritable != 0)
			return fail(why, ERR_TEMP, "the capabilities are not the ones that were set");
	}
	return OK; /* no capability is ambient that is not inheritable (capabilities(7)) */
}

/* Nothing comes back by executing something, and nobody looks into our memory. */
static enum err doors_close(struct why *why)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return fail_errno(why, ERR_TEMP, "set no_new_privs");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return fail_errno(why, ERR_TEMP, "make the process undumpable");
	return OK;
}

enum err privs_limit(uint64_t keep, struct why *why)
{
	struct caps caps;
	enum err err;

	if ((err = caps_get(&caps, why)) != OK || (err = bounding_clear(why)) != OK)
		return err;
	keep &= caps.half[0].permitted | (uint64_t)caps.half[1].permitted << 32;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail_errno(why, ERR_TEMP, "clear the ambient capabilities");
	if ((err = caps_set(keep, why)) != OK || (err = doors_close(why)) != OK)
		return err;
	return caps_check(keep, why);
}

enum err privs_drop(const struct privs *p, struct why *why)
{
	uint64_t keep = p->change ? p->keep : 0;
	enum err err;

	if (p->change && (err = identity_change(p, why)) != OK)
		return err;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return fail_errno(why, ERR_TEMP, "clear the ambient capabilities");
	if ((err = caps_set(keep, why)) != OK)
		return err;
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return fail_errno(why, ERR_TEMP, "keep no more capabilities");
	if ((err = doors_close(why)) != OK)
		return err;
	if (p->change && (err = identity_check(p, why)) != OK)
		return err;
	return caps_check(keep, why);
}
