/* backend/pam/mod_pam.c - the module for PAM: passwords that a stack of /etc/pam.d checks
 *
 * It finds nobody: records come from another module. The order is Mailutils': start, authenticate, acct_mgmt, setcred.
 * A POP3 session lives in another process and PAM's end with the question, so that a session is not opened unless `session yes'
 * asks for it; it is opened and closed again then, for modules that keep accounts or make home directories.
 *
 * PAM waits as long as its modules like: whoever runs this ends the process when it is over its time. */
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/secret.h"

enum { NAME_ROOM = 256, REASON_ROOM = 160 };

struct pam_priv {
	const char *service; /* the configuration's */
	bool session;
};

/* What a stack is told, and what it said. */
struct talk {
	char name[NAME_ROOM], password[SECRET_MOST + 1];
	char said[80]; /* its last line of text, for the operator */
};

static enum err pam_open(const struct conf *cf, void **priv, struct why *why)
{
	struct pam_priv *p = calloc(1, sizeof *p);

	if (!p)
		return fail(why, ERR_TEMP, "pam: not enough memory");
	if (!cf->pam.service || !*cf->pam.service || strchr(cf->pam.service, '/') || cf->pam.service[0] == '.') {
		free(p);
		return fail(why, ERR_PERM,
			    "pam.service: expected the name of a file in /etc/pam.d, without its directory");
	}
	*p = (struct pam_priv){cf->pam.service, cf->pam.session};
	*priv = p;
	return OK;
}

static void pam_close(void *priv)
{
	free(priv);
}

/* --- the conversation ------------------------------------------------------------------------------------------- */

/* An answer is the module's, which frees it. */
static bool answer(struct talk *t, const struct pam_message *m, struct pam_response *r)
{
	switch (m->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		r->resp = strdup(t->password);
		return r->resp != NULL;
	case PAM_PROMPT_ECHO_ON:
		r->resp = strdup(t->name);
		return r->resp != NULL;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO: { /* of a module that has seen the password: cut, and never with it */
		struct slice text = {m->msg, m->msg ? strnlen(m->msg, sizeof t->said - 1) : 0};

		if (text.n > 0 && !(*t->password && strstr(m->msg, t->password)))
			(void)slice_cstr(text, t->said, sizeof t->said);
		return true;
	}
	default:
		return false;
	}
}

static int converse(int n, const struct pam_message **m, struct pam_response **out, void *talk)
{
	struct pam_response *r = n > 0 && n <= PAM_MAX_NUM_MSG ? calloc((size_t)n, sizeof *r) : NULL;

	if (!r)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (answer(talk, m[i], &r[i]))
			continue;
		for (int k = 0; k < i; k++) {
			if (r[k].resp)
				explicit_bzero(r[k].resp, strlen(r[k].resp));
			free(r[k].resp);
		}
		free(r);
		return PAM_CONV_ERR;
	}
	*out = r;
	return PAM_SUCCESS;
}

/* Who guesses passwords is made to wait by the daemon, and no process must do it here. */
static void no_delay(int status, unsigned usec, void *talk)
{
	(void)status;
	(void)usec;
	(void)talk;
}

static int set_up(pam_handle_t *h, struct slice client)
{
	void (*delay)(int, unsigned, void *) = no_delay;
	char address[64];
	void *item;
	int e = PAM_SUCCESS;

	memcpy(&item, &delay, sizeof item);
	e = pam_set_item(h, PAM_FAIL_DELAY, item);
	if (e == PAM_SUCCESS && client.n > 0 && slice_cstr(client, address, sizeof address))
		e = pam_set_item(h, PAM_RHOST, address);
	return e == PAM_SUCCESS ? pam_set_item(h, PAM_TTY, "pop3") : e;
}

/* --- what it comes to ------------------------------------------------------------------------------------------- */

/* Codes that are not here are errors of the set-up. */
static const struct {
	int code;
	enum err err;
	const char *reason; /* NULL: PAM's own text */
} outcomes[] = {
	{PAM_AUTH_ERR, ERR_AUTH, "wrong password"},
	{PAM_USER_UNKNOWN, ERR_AUTH, "it does not know the user"},
	{PAM_MAXTRIES, ERR_AUTH, "too many tries"},
	{PAM_PERM_DENIED, ERR_AUTH, "the user may not log in"},
	{PAM_ACCT_EXPIRED, ERR_AUTH, "the account has expired"},
	{PAM_NEW_AUTHTOK_REQD, ERR_AUTH, "the password has expired and must be changed"},
	{PAM_AUTHTOK_EXPIRED, ERR_AUTH, "the password has expired"},
	{PAM_CRED_EXPIRED, ERR_AUTH, "the user's credentials have expired"},
	{PAM_AUTHINFO_UNAVAIL, ERR_TEMP, "it cannot ask who knows the password"},
	{PAM_CRED_UNAVAIL, ERR_TEMP, NULL},
	{PAM_CRED_INSUFFICIENT, ERR_TEMP, NULL},
	{PAM_BUF_ERR, ERR_TEMP, NULL},
	{PAM_TRY_AGAIN, ERR_TEMP, NULL},
};

/* Behind a step that failed. Where there is no file for the service PAM asks `other', as Mailutils' users know; then it is told. */
static enum err outcome(const struct pam_priv *p, pam_handle_t *h, const char *step, int code, const struct talk *t,
			struct why *why)
{
	static const char *const places[] = {"/etc/pam.d", "/usr/lib/pam.d"};
	const char *reason = pam_strerror(h, code);
	enum err err = ERR_PERM;
	char path[NAME_ROOM];
	bool named = access("/etc/pam.conf", F_OK) == 0 && access("/etc/pam.d", F_OK) != 0;

	for (size_t i = 0; i < sizeof places / sizeof places[0] && !named; i++) {
		struct buf b = {.p = path, .cap = sizeof path - 1};

		buf_str(&b, places[i]);
		buf_char(&b, '/');
		buf_str(&b, p->service);
		path[b.len] = '\0';
		named = access(path, F_OK) == 0;
	}
	for (size_t i = 0; i < sizeof outcomes / sizeof outcomes[0]; i++) {
		if (outcomes[i].code == code) {
			err = outcomes[i].err;
			reason = outcomes[i].reason ? outcomes[i].reason : reason;
		}
	}
	if (!named && err == ERR_PERM)
		return fail(why, err,
			    "PAM has no service `%.60s': make /etc/pam.d/%.60s, or name another by pam.service (%s)",
			    p->service, p->service, reason);
	return fail(why, err, "PAM service %.60s%s, %s: %.80s%s%s%s", p->service,
		    named ? "" : " (has no file: `other')", step, reason, *t->said ? " (" : "", t->said,
		    *t->said ? ")" : "");
}

static enum err run(const struct pam_priv *p, pam_handle_t *h, const struct talk *t, int *status, struct why *why)
{
	static const struct {
		int (*call)(pam_handle_t *h, int flags);
		int flags;
		const char *step;
		bool of_session;
	} steps[] = {
		{pam_authenticate, PAM_DISALLOW_NULL_AUTHTOK, "auth", false},
		{pam_acct_mgmt, PAM_DISALLOW_NULL_AUTHTOK, "account", false},
		{pam_setcred, PAM_SILENT | PAM_ESTABLISH_CRED, "credentials", false},
		{pam_open_session, PAM_SILENT, "session", true},
		{pam_close_session, PAM_SILENT, "end of session", true},
		{pam_setcred, PAM_SILENT | PAM_DELETE_CRED, "end of credentials", true},
	};

	for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		if (steps[i].of_session && !p->session)
			continue;
		*status = steps[i].call(h, steps[i].flags);
		if (*status != PAM_SUCCESS)
			return outcome(p, h, steps[i].step, *status, t, why);
	}
	return OK;
}

static enum err pam_check(void *priv, const struct backend_ask *ask, struct why *why)
{
	const struct pam_priv *p = priv;
	struct talk t = {.said = ""};
	struct pam_conv conv = {converse, &t};
	pam_handle_t *h = NULL;
	enum err err = OK;

	if (!slice_cstr(ask->name.n > 0 ? ask->name : ask->login, t.name, sizeof t.name) || !*t.name)
		return fail(why, ERR_AUTH, "PAM: no such name");
	if (!slice_cstr(ask->password, t.password, sizeof t.password))
		return fail(why, ERR_AUTH, "PAM: the password is too long");
	int status = pam_start(p->service, t.name, &conv, &h);

	if (status == PAM_SUCCESS)
		status = set_up(h, ask->client);
	if (status != PAM_SUCCESS)
		err = outcome(p, h, "start", status, &t, why);
	else
		err = run(p, h, &t, &status, why);
	if (h)
		(void)pam_end(h, status); /* what it could say is told */
	explicit_bzero(&t, sizeof t);
	return err;
}

const struct backend backend_module = {
	.version = BACKEND_VERSION,
	.name = "pam",
	.open = pam_open,
	.check = pam_check,
	.close = pam_close,
};
