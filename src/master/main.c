/* master/main.c - pop3d: from the command line to what it asks for
 *
 * The configuration is read here; everything else begins in keeper.c or inetd.c. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sysexits.h>
#include <unistd.h>

#include "conf/cmdline.h"
#include "master/activation.h"
#include "master/apop.h"
#include "master/certs.h"
#include "master/inetd.h"
#include "master/keeper.h"
#include "master/keytab.h"
#include "master/reading.h"
#include "master/tell.h"

/* Descriptors 0 to 2 are open whoever started us, so that no file of ours ever is standard error; others that he left
 * open are not for us, but for the sockets that a service manager gives. */
static bool standard_descriptors(void)
{
	int fd;

	(void)close_range((unsigned)activation_take() + 1, ~0U, 0); /* without it we hold them, and no child does */
	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && close(fd) == 0;
}

/* Where the log is, the configuration would say: until then it is the system's. */
static int load_unwatched(struct cmdline *cl, struct conf **out)
{
	struct conf *cf = conf_default();

	if (!cf)
		return EX_OSERR;
	cf->logging.tag = cl->program;
	tell_setup(cf);
	conf_free(cf);
	return configuration_read(cl, out);
}

/* What --config-lint looks at besides the configuration. */
static int files_lint(const struct conf *cf)
{
	int certs = certs_lint(cf), apop = apop_lint(cf), keytab = keytab_lint(cf);

	return certs != EX_OK ? certs : apop != EX_OK ? apop : keytab;
}

int main(int argc, char **argv)
{
	struct cmdline cl;
	struct conf *cf;
	int status;

	if (!standard_descriptors())
		return EX_OSERR;
	bool is_watched = !inetd_hides_stderr();

	(void)signal(SIGPIPE, SIG_IGN);
	status = cmdline_parse(&cl, argc, argv);
	cl.lint_files = files_lint;
	if (status == CMDLINE_GO)
		status = is_watched ? cmdline_load(&cl, &cf) : load_unwatched(&cl, &cf);
	if (status != CMDLINE_GO)
		return status;
	tell_setup(cf);
	/* Children inherit it, and cannot read its configuration, which says nothing about hashing anyway. */
	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	return cf->mode == MODE_DAEMON ? keeper_run(&cl, cf) : inetd_run(cf);
}
