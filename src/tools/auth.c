/* tools/auth.c - popctl auth test: one user along the chains, as a login would take him. The manual is docs/popctl.8
 *
 * The search, its pools and the modules are those of the daemon, in processes with the same rights (master/asker.h). What auth
 * gives to a hash process is computed here. */
#include "tools/auth.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/names.h"
#include "auth/schemes.h"
#include "auth/search.h"
#include "base/clock.h"
#include "base/log.h"
#include "master/asker.h"
#include "tools/popctl.h"

struct test {
	struct ev_loop *loop;
	struct searches searches;
	struct asker *asker;
	struct slice login;
	bool by_uid, checks;
	struct secret password; /* where it checks one */
	uint64_t since_ms;      /* when the module that answers next was asked */
	size_t answered;        /* modules of the authorization */
	struct checking how;
	const struct auth_module *source; /* of the record */
	bool may[CHAIN_MOST];             /* modules of the authentication that may check it */
	bool fits;                        /* its uid may log in */
	bool waits;                       /* for an answer about the password */
	struct question ask;
	char name[NAME_MOST];
	enum err err; /* what a client would hear */
};

/* --- the password ------------------------------------------------------------------------------------------------ */

static const char *word_of(enum err err)
{
	return err == OK ? "right password" : err == ERR_AUTH ? "wrong password" : say_found(err);
}

/* Modules of the authentication that come before the one that checks, or behind it. */
static void say_others(const struct test *t, bool before)
{
	const struct chain *c = &t->searches.chain;
	bool seen = false;

	for (size_t i = 0; i < c->nauthentication; i++) {
		const struct auth_module *m = c->authentication[i];
		char why[128];

		seen = seen || m == t->how.by;
		if (m == t->how.by || seen == before)
			continue;
		if (!t->may[i])
			(void)snprintf(why, sizeof why, "records of %s are none of its", t->source->name);
		else if (seen)
			(void)snprintf(why, sizeof why, "%s says it", t->how.by->name);
		else
			(void)snprintf(why, sizeof why, "the record has nothing that it could compare");
		say_module(m->name, "not asked", -1, why);
	}
}

/* The end of all: right, but a uid that may not log in, is the operator's. */
static void password_told(struct test *t, enum err err, const char *why)
{
	say_module(t->how.by->name, word_of(err), (int64_t)(clock_ms() - t->since_ms), why);
	say_others(t, false);
	t->err = err == OK && !t->fits ? ERR_PERM : err;
}

static void on_checked(struct question *q, const struct looked *l)
{
	struct test *t = (struct test *)((char *)q - offsetof(struct test, ask));

	t->waits = false;
	password_told(t, l->err, l->why.text);
	ev_break(t->loop, EVBREAK_ALL);
}

static void ask_module(struct test *t, struct slice name)
{
	struct pool *p = pools_find(&t->searches.pools, t->how.by->name);

	if (!p) {
		password_told(t, ERR_TEMP, "it has no processes");
		return;
	}
	memcpy(t->name, name.p, name.n);
	t->ask = (struct question){.what = LOOK_PASSWORD,
				   .login = t->by_uid ? (struct slice){t->name, name.n} : t->login,
				   .name = {t->name, name.n},
				   .password = secret_slice(&t->password),
				   .answer = on_checked};
	t->waits = true;
	pool_ask(p, &t->ask);
}

static void password_ask(struct test *t, const struct record *r)
{
	if (t->how.how == CHECK_ASK)
		ask_module(t, r->name);
	else
		password_told(t, scheme_same(secret_slice(&t->password), t->how.setting) ? OK : ERR_AUTH, "");
}

/* Without a password: who would be asked. */
static void say_checker(const struct test *t)
{
	static const char *const how[] = {[CHECK_HASH] = "would compare its hash",
					  [CHECK_SECRET] = "would compare it",
					  [CHECK_ASK] = "would be asked"};

	say_module(t->how.by->name, "not asked", -1, how[t->how.how]);
}

static void password_check(struct test *t, const struct record *r)
{
	struct why why = {""};

	say_chain("password (authentication)");
	checking_find(&t->searches.chain, r, &t->how, &why);
	for (size_t i = 0; i < t->searches.chain.nauthentication; i++)
		t->may[i] = chain_may_check(t->searches.chain.authentication[i], r);
	say_others(t, true);
	t->since_ms = clock_ms();
	t->err = t->fits ? OK : ERR_PERM;
	if (t->how.how != CHECK_NONE && t->checks) {
		password_ask(t, r);
		return;
	}
	if (t->how.how == CHECK_NONE) {
		say_module(t->how.by ? t->how.by->name : "nobody", "disabled", -1, why.text);
		t->err = ERR_AUTH;
	} else {
		say_checker(t);
	}
	say_others(t, false);
}

/* --- the user ---------------------------------------------------------------------------------------------------- */

static void on_noted(void *arg, const struct auth_module *m, enum err err, const struct why *why)
{
	struct test *t = arg;

	t->answered++;
	if (err != OK)
		say_module(m->name, say_found(err), (int64_t)(clock_ms() - t->since_ms), why->text);
	else
		say_module(m->name, "found", (int64_t)(clock_ms() - t->since_ms), "");
	t->since_ms = clock_ms();
}

static void say_unasked(const struct test *t)
{
	const struct chain *c = &t->searches.chain;

	for (size_t i = t->answered; i < c->nauthorization; i++)
		say_module(c->authorization[i].module->name, "not asked", -1, "another one has the user");
}

static bool uid_fits(const struct test *t, const struct record *r)
{
	uint32_t min = t->searches.conf->auth.min_uid, least = r->source->least_uid;

	return r->uid >= (min > least ? min : least);
}

static void on_found(void *arg, const struct search_end *end)
{
	struct test *t = arg;

	say_unasked(t);
	t->err = end->err;
	if (end->err == OK) {
		t->source = end->r->source;
		t->fits = uid_fits(t, end->r);
		say_record(end->r);
		if (!t->fits)
			(void)printf("  %-12s %s\n", "refused", "a uid that may not log in (min-uid)");
		password_check(t, end->r);
	}
	if (!t->waits)
		ev_break(t->loop, EVBREAK_ALL);
}

/* --- the command ------------------------------------------------------------------------------------------------- */

static void on_peer(void *arg, const struct msg_peer *peer, int fd)
{
	struct test *t = arg;
	struct why why;

	if (pools_peer(&t->searches.pools, peer, fd, &why) != OK) {
		(void)fprintf(stderr, "popctl: %s\n", why.text);
		close(fd);
	}
}

static enum err password_read(struct test *t, struct why *why)
{
	char text[SECRET_MOST + 2];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof text && (got = read(STDIN_FILENO, text + n, sizeof text - n)) > 0)
		n += (size_t)got;
	if (n > 0 && text[n - 1] == '\n')
		n--;
	bool fits = n <= SECRET_MOST && secret_set(&t->password, (struct slice){text, n});

	explicit_bzero(text, sizeof text);
	if (!fits || !credential_is_clean(secret_slice(&t->password)))
		return fail(why, ERR_AUTH,
			    "a password with line ends, or one that is too long: no module is asked for it");
	return OK;
}

/* Lines of modules go to standard error, wherever the configuration wants the log. */
static void log_here(void)
{
	struct log_setup s = {.fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1),
			      .form = LOG_TO_STDERR,
			      .severity = LOG_WARNING,
			      .tag = "popctl"};

	log_setup(&s);
}

static enum err test_open(struct test *t, struct conf *cf, struct why *why)
{
	log_here();
	t->loop = ev_loop_new(EVFLAG_AUTO);
	if (!t->loop)
		return fail(why, ERR_TEMP, "no memory");
	t->searches.conf = cf;
	pools_open(&t->searches.pools, t->loop, cf, NULL);
	enum err err = asker_start(&t->asker, cf, t->loop, on_peer, t, why);

	if (err == OK && t->checks)
		err = password_read(t, why);
	if (err == OK)
		err = asker_confine(t->asker, why);
	return err == OK ? chain_open(&t->searches.chain, cf, why) : err;
}

static void test_close(struct test *t)
{
	pools_close(&t->searches.pools);
	asker_done(t->asker);
	chain_close(&t->searches.chain);
	secret_wipe(&t->password);
	if (t->loop)
		ev_loop_destroy(t->loop);
}

static enum err test_run(struct test *t, struct why *why)
{
	struct search_ask ask = {.login = t->login, .by_uid = t->by_uid};
	struct walk w;

	say_chain("user (authorization)");
	walk_begin(&w, t->login);
	w.noted = on_noted;
	w.arg = t;
	t->err = ERR_COUNT; /* until it is known */
	t->since_ms = clock_ms();
	if (!search_start(&t->searches, &ask, &w, on_found, t))
		return fail(why, ERR_TEMP, "no memory");
	if (t->err == ERR_COUNT || t->waits)
		ev_run(t->loop, 0);
	say_client(t->err, t->checks || t->err != OK ? "" : ", if the password is right");
	return fflush(stdout) == 0 ? OK : fail_errno(why, ERR_TEMP, "write");
}

static int status_of(enum err err)
{
	return err == OK ? EX_OK : err == ERR_AUTH ? EX_REFUSED : err == ERR_TEMP ? EX_TEMPFAIL : EX_CONFIG;
}

static int usage(void)
{
	(void)fputs("usage: popctl auth test [--password-stdin] [--uid] USER; see popctl(8)\n", stderr);
	return EX_USAGE;
}

static bool take_options(struct test *t, int argc, char **argv)
{
	static const struct option options[] = {
		{"password-stdin", no_argument, NULL, 'p'}, {"uid", no_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (c == 'p')
			t->checks = true;
		else if (c == 'u')
			t->by_uid = true;
		else
			return false;
	if (optind + 1 != argc || !argv[optind][0])
		return false;
	t->login = slice_str(argv[optind]);
	return true;
}

int auth_command(struct conf *cf, int argc, char **argv)
{
	static struct test t; /* some of it stays in the processes of modules */
	struct why why = {""};
	uint32_t uid;

	if (argc < 2 || strcmp(argv[1], "test") != 0 || !take_options(&t, argc - 1, argv + 1) ||
	    (t.by_uid && !slice_u32(t.login, &uid)))
		return usage();
	enum err err = t.login.n <= NAME_MOST && credential_is_clean(t.login)
			       ? test_open(&t, cf, &why)
			       : fail(&why, ERR_AUTH, "no user has such a name: no module is asked for it");

	if (err == OK)
		err = test_run(&t, &why);
	test_close(&t);
	if (err != OK)
		(void)fprintf(stderr, "popctl: %s\n", why.text);
	return status_of(err != OK ? err : t.err);
}
