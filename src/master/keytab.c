/* master/keytab.c - see keytab.h */
#include "master/keytab.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/role.h"
#include "master/fork.h"
#include "master/tell.h"

static int look(const struct conf *cf)
{
	const struct conf_file *keytab = &cf->gsasl.keytab;
	struct why why = {""};

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* keys are nothing for a core file, nor for who may trace us */
	void *library =
		dlopen("libgssapi_krb5.so.2", RTLD_LAZY); /* as GNU SASL does at its first use, which says nothing */
	enum err err = OK;

	if (library)
		err = auth_keytab_check(cf, &why);
	else
		err = fail(&why, ERR_PERM, "keytab: %s: install libgssapi-krb5-2", dlerror());
	if (library)
		(void)dlclose(library);
	if (err == OK)
		return EX_OK;
	if (keytab->file)
		tell(LOG_ERR, "%s:%u: %s", keytab->file, keytab->line, why.text);
	else
		tell(LOG_ERR, "%s", why.text);
	return EX_CONFIG;
}

int keytab_lint(const struct conf *cf)
{
	if (!cf->gsasl.enable || !cf->gsasl.keytab.path)
		return EX_OK;
	pid_t pid = fork_quietly();

	if (pid == 0)
		_exit(look(cf));
	int status = pid > 0 ? fork_wait(pid) : EX_OSERR;

	if (status == EX_OSERR)
		tell(LOG_ERR, "the process that looks at the keytab failed");
	return status;
}
