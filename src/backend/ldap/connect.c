/* backend/ldap/connect.c - see connect.h, and of directory.h what needs nothing but a connection
 *
 * Sockets are ours, so that no wait has no end (socket.h). Sockets and addresses that the library would choose by itself are
 * never asked for: see link_is_whole in directory.c. */
#include "backend/ldap/connect.h"

#include <openldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "backend/ldap/directory.h"
#include "backend/ldap/socket.h"
#include "base/clock.h"
#include "base/log.h"

/* Bits of `debug' at which the library prints what goes over the wire, passwords among it. */
enum { DEBUG_PACKETS = 0x2, DEBUG_BER = 0x10 };

static void on_debug(const char *text)
{
	log_slice(LOG_DEBUG, slice_trim((struct slice){text, strcspn(text, "\n")}));
}

enum err ldap_settle(const struct conf_ldap *cf, struct why *why)
{
	BER_LOG_PRINT_FN print = on_debug;
	int level = (int)(cf->debug & 0xFFFFU & ~(unsigned)(DEBUG_PACKETS | DEBUG_BER));

	(void)setenv("LDAPNOINIT", "1", 1);
	if (!socket_guard_open())
		return fail_errno(why, ERR_TEMP, "ldap: no timer");
	if (level == 0)
		return OK;
	(void)ber_set_option(NULL, LBER_OPT_LOG_PRINT_FN, *(void **)&print);
	(void)ber_set_option(NULL, LBER_OPT_DEBUG_LEVEL, &level);
	(void)ldap_set_option(NULL, LDAP_OPT_DEBUG_LEVEL, &level);
	return OK;
}

const char *ldap_says(LDAP *ld, int code, char *dst, size_t cap)
{
	char *more = NULL;

	if (ld)
		(void)ldap_get_option(ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, (void *)&more);
	(void)snprintf(dst, cap, "%s (%d)%s%s", ldap_err2string(code), code, more && *more ? ": " : "",
		       more ? more : "");
	ldap_memfree(more);
	return dst;
}

static struct timeval time_left(uint64_t deadline_ms)
{
	uint64_t now = clock_ms(), left = deadline_ms > now ? deadline_ms - now : 0;

	return (struct timeval){(time_t)(left / 1000), (suseconds_t)(left % 1000) * 1000};
}

int answer_wait(LDAP *ld, int msgid, uint64_t deadline_ms, LDAPMessage **res)
{
	struct timeval left = time_left(deadline_ms);
	int code = LDAP_SERVER_DOWN;
	int got = ldap_result(ld, msgid, LDAP_MSG_ALL, &left, res);

	if (got > 0)
		return LDAP_SUCCESS;
	if (got == 0)
		return LDAP_TIMEOUT;
	(void)ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &code);
	return code != LDAP_SUCCESS ? code : LDAP_SERVER_DOWN;
}

/* The code that the server answered with. */
static int answer_code(LDAP *ld, int msgid, uint64_t deadline_ms)
{
	LDAPMessage *res = NULL;
	int answered = LDAP_OTHER;
	int code = answer_wait(ld, msgid, deadline_ms, &res);

	if (code == LDAP_SUCCESS)
		code = ldap_parse_result(ld, res, &answered, NULL, NULL, NULL, NULL, 0);
	ldap_msgfree(res);
	return code == LDAP_SUCCESS ? answered : code;
}

int simple_bind(LDAP *ld, const char *dn, struct slice password, uint64_t deadline_ms)
{
	struct berval secret = {password.n, (char *)password.p};
	int msgid;

	if (password.n == 0)
		return LDAP_INVALID_CREDENTIALS;
	int code = ldap_sasl_bind(ld, dn, LDAP_SASL_SIMPLE, &secret, NULL, NULL, &msgid);

	return code == LDAP_SUCCESS ? answer_code(ld, msgid, deadline_ms) : code;
}

/* A context of its own, which the options before it make. */
static int tls_options(LDAP *ld, const struct conf_ldap *cf)
{
	int demand = cf->verify_server ? LDAP_OPT_X_TLS_DEMAND : LDAP_OPT_X_TLS_NEVER;
	int least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0;
	int code = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);

	if (code == LDAP_SUCCESS)
		code = ldap_set_option(ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least);
	if (code == LDAP_SUCCESS && cf->verify_server)
		code = ldap_set_option(ld, LDAP_OPT_X_TLS_CACERTFILE, cf->ca_file);
	if (code == LDAP_SUCCESS)
		code = ldap_set_option(ld, LDAP_OPT_X_TLS_NEWCTX, &client);
	return code;
}

/* The library says what is wrong with a certificate to nobody. */
static int handshake(LDAP *ld, const struct conf_ldap *cf, struct why *why)
{
	if (cf->verify_server && access(cf->ca_file, R_OK) < 0) {
		(void)fail_errno(why, ERR_TEMP, "ldap.ca-file: %s", cf->ca_file);
		return LDAP_LOCAL_ERROR;
	}
	int code = tls_options(ld, cf);

	if (code == LDAP_SUCCESS)
		code = ldap_install_tls(ld);
	if (code != LDAP_SUCCESS)
		(void)fail(why, ERR_TEMP,
			   cf->verify_server
				   ? "TLS: none, or a certificate that nobody in ca-file has signed, or that is "
				     "not for this host (%d)"
				   : "TLS: there is none (%d)",
			   code);
	return code;
}

static int start_tls(LDAP *ld, uint64_t deadline_ms, struct why *why)
{
	char text[160];
	int msgid;
	int code = ldap_start_tls(ld, NULL, NULL, &msgid);

	if (code == LDAP_SUCCESS)
		code = answer_code(ld, msgid, deadline_ms);
	if (code != LDAP_SUCCESS)
		(void)fail(why, ERR_TEMP, "StartTLS: %s", ldap_says(ld, code, text, sizeof text));
	return code;
}

static int options(LDAP *ld, struct why *why)
{
	int version = LDAP_VERSION3;
	int code = ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);

	if (code == LDAP_SUCCESS)
		code = ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	if (code != LDAP_SUCCESS)
		(void)fail(why, ERR_TEMP, "options: %s", ldap_err2string(code));
	return code;
}

/* A socket that is connected becomes a connection. The socket is the library's when *ld is set. */
static int connection_make(const struct conf_ldap *cf, const LDAPURLDesc *url, const char *text, uint64_t deadline_ms,
			   int fd, LDAP **ld, struct why *why)
{
	bool local = strcmp(url->lud_scheme, "ldapi") == 0, tls = strcmp(url->lud_scheme, "ldaps") == 0;
	bool starts_tls = cf->tls && !local && !tls;
	int code = ldap_init_fd(fd, local ? LDAP_PROTO_IPC : LDAP_PROTO_TCP, text, ld);

	if (code != LDAP_SUCCESS) {
		(void)fail(why, ERR_TEMP, "%s", ldap_err2string(code));
		return code;
	}
	code = options(*ld, why);
	if (code == LDAP_SUCCESS && starts_tls)
		code = start_tls(*ld, deadline_ms, why);
	if (code == LDAP_SUCCESS && (tls || starts_tls))
		code = handshake(*ld, cf, why);
	return code;
}

enum err ldap_connected(const struct conf_ldap *cf, const char *text, uint64_t deadline_ms, LDAP **ld, int *fd,
			int *code, struct why *why)
{
	LDAPURLDesc *url = NULL;

	*ld = NULL;
	*code = LDAP_PARAM_ERROR;
	if (ldap_url_parse(text, &url) != LDAP_URL_SUCCESS)
		return fail(why, ERR_TEMP, "no URL of LDAP");
	*fd = socket_connected(url, deadline_ms, code, why);
	if (*fd >= 0) {
		socket_guard(*fd, deadline_ms);
		*code = connection_make(cf, url, text, deadline_ms, *fd, ld, why);
		socket_guard_off();
	}
	if (*code != LDAP_SUCCESS && *ld)
		(void)ldap_unbind_ext(*ld, NULL, NULL);
	else if (*code != LDAP_SUCCESS && *fd >= 0)
		close(*fd);
	ldap_free_urldesc(url);
	if (*code != LDAP_SUCCESS)
		*ld = NULL;
	return *code == LDAP_SUCCESS ? OK : ERR_TEMP;
}
