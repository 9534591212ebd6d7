/* auth/kerberos.c - the libraries of Kerberos, before and within the walls of the auth process (ipc/role.h)
 *
 * GNU SASL finds them by a file in /etc and loads them at their first use, when auth can open neither. And what they would read of the machine's krb5.conf is nothing
 * for a server that only opens tickets, but some of it would make them write files or ask the network. So they get a configuration of our own, in
 * memory that has a name below /proc. */
#include <fcntl.h>
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auth/keytab.h"
#include "ipc/role.h"

static const char krb5_conf[] =
	"[libdefaults]\n"
	"\tdns_lookup_kdc = false\n"
	"\tdns_lookup_realm = false\n"
	"\tdns_canonicalize_hostname = false\n"
	"\tqualify_shortname = \"\"\n"
	"\tdefault_rcache_name = none:\n"
	"\tpermitted_enctypes = aes256-cts-hmac-sha384-192 aes128-cts-hmac-sha256-128 aes256-cts-hmac-sha1-96 "
	"aes128-cts-hmac-sha1-96 camellia256-cts-cmac camellia128-cts-cmac\n";

static bool is_wanted(const struct conf *cf)
{
	return cf->gsasl.enable && cf->gsasl.keytab.path;
}

/* --- at the start ------------------------------------------------------------------------------------------------ */

static bool library_has_it(void)
{
	Gsasl *lib;

	if (gsasl_init(&lib) != GSASL_OK)
		return false;
	bool has = gsasl_server_support_p(lib, "GSSAPI");

	gsasl_done(lib);
	return has;
}

enum err auth_keytab_check(const struct conf *cf, struct why *why)
{
	char host[NAME_MOST + 1], realm[NAME_MOST + 1];

	if (!is_wanted(cf))
		return OK;
	if (!library_has_it())
		return fail(why, ERR_PERM, "keytab: this system's GNU SASL has no GSSAPI");
	host_name(cf, host);
	return keytab_look(cf, host, realm, why);
}

/* --- in the process ---------------------------------------------------------------------------------------------- */

static enum err conf_make(int *fd, char path[static 32], struct why *why)
{
	*fd = memfd_create("pop3d krb5.conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || write(*fd, krb5_conf, sizeof krb5_conf - 1) != sizeof krb5_conf - 1 ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return fail_errno(why, ERR_TEMP, "GSSAPI: make its configuration");
	(void)snprintf(path, 32, "/proc/self/fd/%d", *fd);
	return access(path, R_OK) == 0 ? OK : fail_errno(why, ERR_TEMP, "GSSAPI needs /proc: %s", path);
}

static int on_property(Gsasl *lib, Gsasl_session *session, Gsasl_property property)
{
	(void)lib;
	return property == GSASL_SERVICE || property == GSASL_HOSTNAME
		       ? gsasl_property_set(session, property, "localhost")
		       : GSASL_NO_CALLBACK;
}

/* An exchange that fails for want of a key, behind all that is loaded for one. */
static void libraries_load(void)
{
	Gsasl_session *session = NULL;
	Gsasl *lib = NULL;
	char *said = NULL;
	size_t n;

	if (gsasl_init(&lib) != GSASL_OK)
		return;
	gsasl_callback_set(lib, on_property);
	if (gsasl_server_start(lib, "GSSAPI", &session) == GSASL_OK) {
		(void)gsasl_step(session, "x", 1, &said, &n);
		gsasl_free(said);
		gsasl_finish(session);
	}
	gsasl_done(lib);
}

static enum err environment_set(const char *name, const char *value, struct why *why)
{
	return setenv(name, value, 1) == 0 ? OK : fail_errno(why, ERR_TEMP, "GSSAPI: set %s", name);
}

enum err auth_kerberos_load(struct role_env *env, struct why *why)
{
	char conf[32], keytab[URL_MOST + sizeof "FILE:"];

	env->kerberos_fd = -1;
	if (!is_wanted(env->conf))
		return OK;
	(void)snprintf(keytab, sizeof keytab, "FILE:%s", env->conf->gsasl.keytab.path);
	if (conf_make(&env->kerberos_fd, conf, why) != OK || environment_set("KRB5_CONFIG", conf, why) != OK ||
	    environment_set("KRB5_KTNAME", "FILE:/dev/null", why) != OK)
		return ERR_TEMP;
	libraries_load();
	return environment_set("KRB5_KTNAME", keytab, why);
}
