/* master/prepare.c - see prepare.h */
#include "master/prepare.h"

#include <errno.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "master/backends.h"
#include "master/keytab.h"
#include "master/landlock.h"
#include "master/spool.h"
#include "master/tell.h"

enum { DESCRIPTORS_BESIDES = 8192 }; /* what a process may need besides its clients: channels to all stores, and more */

void notices_tell(const struct conf *cf)
{
	size_t n;
	const struct conf_notice *notice = conf_notices(cf, &n);

	for (size_t i = 0; i < n; i++) {
		char text[512];

		tell(LOG_WARNING, "%s", conf_notice_text(&notice[i], text, sizeof text));
	}
}

/* Every client needs a descriptor, and a front may have them all. */
static void descriptors_raise(const struct conf *cf)
{
	struct rlimit now;
	rlim_t want = DESCRIPTORS_BESIDES + (cf->max_children - 1 < 1U << 20 ? cf->max_children : 1U << 14);

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return;
	struct rlimit more = {.rlim_cur = want, .rlim_max = want > now.rlim_max ? want : now.rlim_max};
	struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};

	if (want > now.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) < 0 && setrlimit(RLIMIT_NOFILE, &most) < 0)
		log_line(LOG_WARNING, "cannot raise the limit of open files: %s", strerror(errno));
}

/* Locker is nobody, in the group of the spool; so is the external locker for mailboxes there. */
static void spool_prepare(struct master *m)
{
	const struct passwd *nobody = getpwnam("nobody");
	enum lock_type type = m->cf->locking.type;

	m->spool[0] = '\0';
	if (type == LOCK_DOTLOCK && nobody && nobody->pw_uid != 0 && group_find("mail", &m->locker.gid) &&
	    spool_find(m->cf, m->locker.gid, m->spool))
		m->locker.uid = nobody->pw_uid;
	else
		m->spool[0] = '\0';
	if (type == LOCK_EXTERNAL)
		externals_set_spool(m);
}

enum err prepare_users(struct master *m, struct why *why)
{
	enum err err = OK;

	m->self = (struct identity){.uid = geteuid(), .gid = getegid()};
	m->privileged = m->self.uid == 0;
	if (!m->privileged) {
		log_line(LOG_NOTICE,
			 "not started as root: all processes run as uid %u, and only mail of this uid is served",
			 (unsigned)m->self.uid);
		return OK;
	}
	if ((err = identity_find(m->cf->front_user, &m->front, why)) == OK)
		err = identity_find(m->cf->auth_user, &m->auth, why);
	if (err == OK)
		spool_prepare(m);
	if (conf_list_has(&m->cf->auth.authorization, "system") &&
	    conf_list_has(&m->cf->auth.authentication, "system") && !group_find("shadow", &m->shadow))
		log_line(LOG_WARNING, "there is no group shadow: system users whose passwords are in " CONF_ETC
				      "/shadow cannot log in");
	if (err == OK && m->front.uid == m->auth.uid)
		return fail(why, ERR_PERM,
			    "front-user and auth-user must be two users: one must not reach the other's process");
	return err;
}

static void landlock_tell(void)
{
	int abi = landlock_abi();

	if (abi == 0)
		log_line(LOG_WARNING,
			 "this kernel has no Landlock: auth and store are held back by their users' rights only");
	else
		log_line(LOG_DEBUG, "Landlock version %d", abi);
}

int prepare(struct master *m, struct why *why)
{
	if (prepare_users(m, why) != OK)
		return EX_CONFIG;
	int status = certs_load(&m->certs, m->cf);

	if (status != EX_OK) {
		(void)fail(why, ERR_PERM, "certificates or keys cannot be used");
		return status;
	}
	if (apop_prepare(&m->apop, m->cf, why) != OK)
		return EX_CONFIG;
	if ((status = keytab_lint(m->cf)) != EX_OK) {
		(void)fail(why, ERR_PERM, "the keytab cannot be used");
		return status;
	}
	landlock_tell();
	if (backends_check(m, why) != OK)
		return EX_CONFIG;
	umask(022); /* directories above ours, where they are missing */
	enum err err = paths_open(&m->paths, m->cf, why);

	umask(007);
	if (err != OK)
		return EX_CANTCREAT;
	descriptors_raise(m->cf);
	return EX_OK;
}
