/* master/main.c - pop3d: from the command line to the running daemon
 *
 * The order: configuration; what it asks for and we cannot give; users, certificates, directories; sockets; the terminal; the roles. So
 * whatever can go wrong goes wrong before the operator's prompt is back, and says so there. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/cmdline.h"
#include "master/landlock.h"
#include "master/supervise.h"
#include "master/tell.h"

enum { DESCRIPTORS_BESIDES = 8192 }; /* what a process may need besides its clients: channels to all stores, and more */

/* Descriptors 0 to 2 are open whoever started us, so that no file of ours ever is standard error; others that he left
 * open are not for us. */
static bool standard_descriptors(void)
{
	int fd;

	(void)close_range(STDERR_FILENO + 1, ~0U, 0); /* without it we hold them, and no child does */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* Statements of the configuration that this version does not honour. Those that guard access cannot be left out. */
static int notices_tell(const struct conf *cf)
{
	size_t n;
	const struct conf_notice *notice = conf_notices(cf, &n);
	int status = EX_OK;

	for (size_t i = 0; i < n; i++) {
		char text[512];

		tell(notice[i].refuses ? LOG_ERR : LOG_WARNING, "%s", conf_notice_text(&notice[i], text, sizeof text));
		if (notice[i].refuses)
			status = EX_CONFIG;
	}
	return status;
}

/* Every client needs a descriptor, and a front may have them all. */
static void descriptors_raise(const struct conf *cf)
{
	struct rlimit now;
	rlim_t want = DESCRIPTORS_BESIDES + (cf->max_children < 1U << 20 ? cf->max_children : 1U << 14);

	if (getrlimit(RLIMIT_NOFILE, &now) < 0)
		return;
	struct rlimit more = {.rlim_cur = want, .rlim_max = want > now.rlim_max ? want : now.rlim_max};
	struct rlimit most = {.rlim_cur = now.rlim_max, .rlim_max = now.rlim_max};

	if (want > now.rlim_cur && setrlimit(RLIMIT_NOFILE, &more) < 0 && setrlimit(RLIMIT_NOFILE, &most) < 0)
		log_line(LOG_WARNING, "cannot raise the limit of open files: %s", strerror(errno));
}

/* Who we are, and who the roles will be. */
static enum err users_find(struct master *m, struct why *why)
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

static int fail_start(struct master *m, const struct why *why, int status)
{
	tell(LOG_ERR, "%s", why->text);
	daemon_started(&m->daemon, status);
	return status;
}

static int run(struct master *m)
{
	struct why why = {""};
	int status = notices_tell(m->cf);

	if (status != EX_OK)
		return status;
	if (users_find(m, &why) != OK)
		return fail_start(m, &why, EX_CONFIG);
	if ((status = certs_load(&m->certs, m->cf)) != EX_OK)
		return status;
	landlock_tell();
	umask(022); /* directories above ours, where they are missing */
	if (paths_open(&m->paths, m->cf, &why) != OK)
		return fail_start(m, &why, EX_CANTCREAT);
	umask(007);
	descriptors_raise(m->cf);
	if (listeners_open(&m->listeners, m->cf, &why) != OK)
		return fail_start(m, &why, 1); /* as Mailutils */
	if (!m->cf->foreground && daemon_detach(&m->daemon, &why) != OK)
		status = fail_start(m, &why, EX_OSERR);
	else
		status = supervise(m);
	listeners_close(&m->listeners);
	paths_close(&m->paths);
	certs_free(&m->certs);
	daemon_started(&m->daemon, status);
	return status;
}

int main(int argc, char **argv)
{
	static struct master m; /* some of it stays in the children: not on a stack that ends */
	struct cmdline cl;
	int status;

	if (!standard_descriptors())
		return EX_OSERR;
	(void)signal(SIGPIPE, SIG_IGN);
	status = cmdline_parse(&cl, argc, argv);
	cl.lint_files = certs_lint;
	if (status == CMDLINE_GO)
		status = cmdline_load(&cl, &m.cf);
	if (status != CMDLINE_GO)
		return status;
	m.daemon.report = -1;
	tell_setup(m.cf);
	/* Children inherit it, and cannot read its configuration, which says nothing about hashing anyway. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (m.cf->mode == MODE_DAEMON) {
		status = run(&m);
	} else {
		tell(LOG_ERR, "this version serves as a daemon only (--daemon, or `mode daemon;'), not from inetd");
		status = EX_UNAVAILABLE;
	}
	conf_free(m.cf);
	return status;
}
