/* The module for directories, at a real slapd. usage: test_ldap SLAPD-UP USERS.LDIF */
#include "module.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { PATIENCE_MS = 20000, SHORT_MS = 400 };

static struct {
	const char *script, *users;
	char dir[64];
	unsigned port, tls_port;
} self;

/* --- slapd ----------------------------------------------------------------------------------------------------------- */

static void slapd_start(void)
{
	char command[512], ports[32] = "";

	if (self.port != 0)
		(void)snprintf(ports, sizeof ports, "%u %u", self.port, self.tls_port);
	(void)snprintf(command, sizeof command, "%s %s %s", self.script, self.dir, ports);
	FILE *f = popen(command, "r"); /* NOLINT(cert-env33-c): a text of ours */

	assert_non_null(f);
	check(fscanf(f, "%u %u", &self.port, &self.tls_port) == 2);
	check(pclose(f) == 0);
}

static pid_t slapd_pid(void)
{
	char path[128];
	int pid = 0;

	(void)snprintf(path, sizeof path, "%s/pid", self.dir);
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	check(fscanf(f, "%d", &pid) == 1 && pid > 1);
	(void)fclose(f);
	return pid;
}

/* It is no child of ours. */
static void slapd_stop(void)
{
	pid_t pid = slapd_pid();

	check(kill(pid, SIGKILL) == 0);
	while (kill(pid, 0) == 0)
		(void)usleep(1000);
}

static int begin(void **state)
{
	char command[512];

	if (given_begin(state) != 0)
		return -1;
	(void)snprintf(self.dir, sizeof self.dir, "%s/slapd", given_dir);
	(void)snprintf(command, sizeof command, "mkdir %s && cp %s %s/users.ldif", self.dir, self.users, self.dir);
	if (system(command) != 0) /* NOLINT(cert-env33-c): a text of ours */
		return -1;
	slapd_start();
	return 0;
}

static int end(void **state)
{
	slapd_stop();
	return given_end(state);
}

/* --- the module ------------------------------------------------------------------------------------------------------ */

/* In the statements, @P, @T, @D and @E stand for the ports and the directory, as it is and in a URL. */
static struct loaded_module made(const char *statements)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	(void)fputs("ldap { ", f);
	for (const char *at = statements; *at; at++)
		if (at[0] != '@')
			(void)fputc(*at, f);
		else if (*++at == 'D')
			(void)fputs(self.dir, f);
		else if (*at == 'E')
			(void)fprintf(f, "%%2Ftmp%%2F%s%%2Fslapd", given_dir + sizeof "/tmp/" - 1);
		else
			(void)fprintf(f, "%u", *at == 'P' ? self.port : self.tls_port);
	(void)fputs(" }\n", f);
	check(fclose(f) == 0);
	struct loaded_module m = module_open("ldap", text);

	free(text);
	return m;
}

static struct loaded_module opened(const char *statements)
{
	struct loaded_module m = made(statements);

	check_row(0, m.why.text, m.err == OK);
	return m;
}

#define READER "base \"dc=test\"; binddn \"cn=reader,dc=test\"; passwd readerpw; "
#define PLAIN "url \"ldap://127.0.0.1:@P\"; " READER

static struct backend_ask ask(struct slice login)
{
	return (struct backend_ask){.login = login, .wants_secret = true, .deadline_ms = clock_ms() + PATIENCE_MS};
}

static enum err looked(struct loaded_module *o, struct slice login, struct backend_record *r, struct why *why)
{
	struct backend_ask q = ask(login);

	*r = (struct backend_record){0};
	why->text[0] = '\0';
	return o->b->lookup(o->priv, &q, r, why);
}

static enum err checked(struct loaded_module *o, struct slice login, struct slice password, struct why *why)
{
	struct backend_ask q = ask(login);

	q.name = login;
	q.password = password;
	why->text[0] = '\0';
	return module_check(o, &q, why);
}

/* --- look-ups ---------------------------------------------------------------------------------------------------------- */

static bool is(struct slice value, const char *text)
{
	return slice_eq(value, slice_str(text));
}

static void test_record(void **state)
{
	struct loaded_module o = opened(PLAIN);
	struct backend_record r;
	struct why why;

	(void)state;
	check(looked(&o, SLICE("alice"), &r, &why) == OK);
	check(is(r.name, "alice") && r.uid == 20001 && r.gid == 20002 && is(r.home, "/home/alice"));
	check(is(r.gecos, "Alice A.") && is(r.shell, "/bin/sh") && r.mailbox.n == 0 && r.quota.n == 0);
	check(is(r.secret, "{SSHA}kUts3CoiRqXDL4jCulE+fC3meCgxRXfi") && !r.asks_source && !r.refusal);
	check(strcmp(r.place, "LDAP entry `uid=alice,dc=test'") == 0);
	check(looked(&o, SLICE("bare"), &r, &why) == OK && r.gecos.n == 0 && r.shell.n == 0 && r.secret.n == 0);
	check(looked(&o, SLICE("ALICE"), &r, &why) == OK && is(r.name, "alice"));
	check(looked(&o, SLICE("names.and-more"), &r, &why) == OK && is(r.name, "Names.And-More"));
	check(is(r.secret, "{SHA}HUKvesk344fb6wvH40uXlY9OI3M=")); /* the one of four that somebody can have */
	check(looked(&o, SLICE("unknown-scheme"), &r, &why) == OK && is(r.secret, "{FOO}bar"));
	check(looked(&o, SLICE("plain"), &r, &why) == OK && is(r.secret, "plain text"));
	check(looked(&o, SLICE("o,brien (sales)*\\"), &r, &why) == OK && r.uid == 20012);

	struct backend_ask q = ask(SLICE("20001"));

	q.by_uid = true;
	check(o.b->lookup(o.priv, &q, &r, &why) == OK && is(r.name, "alice"));
	q.login = SLICE("20099");
	check(o.b->lookup(o.priv, &q, &r, &why) == ERR_AUTH);
	q.login = SLICE("*");
	check(o.b->lookup(o.priv, &q, &r, &why) == ERR_AUTH);
	module_close(&o);
}

/* Each finds somebody where a name is not escaped, or is not a text at all. */
static void test_injection(void **state)
{
	static const struct slice logins[] = {
		TEXT("*"),
		TEXT("al*"),
		TEXT("l*)(uid=alice"),
		TEXT("alice)(objectClass=*"),
		TEXT("x)(|(uid=alice"),
		TEXT("*)(uid=*))(|(uid=*"),
		TEXT("alice\0"),
		TEXT("alice\0)"),
		TEXT("\\2a"),
		TEXT("\xff\xfe"),
		TEXT("\xc3("),
		TEXT("alice,dc=test"),
		TEXT("uid=alice"),
		TEXT(""),
		TEXT("("),
		TEXT("$user"),
	};
	struct loaded_module o = opened(PLAIN);
	struct backend_record r;
	struct why why;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(logins); i++) {
		enum err err = looked(&o, logins[i], &r, &why);

		check_row(i, why.text, err == ERR_AUTH && strcmp(why.text, "no such user") == 0);
	}
	module_close(&o);
}

/* What the operator must mend, with the sentence that says what. */
static const struct {
	const char *statements, *login;
	enum err err;
	const char *says;
} mistakes[] = {
	{PLAIN, "twice", ERR_PERM, "LDAP: too many entries for key twice"},
	{PLAIN "field-map \"name=uid:uid=uidNumber:gid=popNumber:dir=homeDirectory\";", "bare", ERR_PERM,
	 "LDAP field `gid' (`popNumber') has NULL value"},
	{PLAIN "field-map \"name=uid:uid=gecos:gid=gidNumber:dir=homeDirectory\";", "alice", ERR_PERM,
	 "LDAP field `uid' (`gecos') is no number"},
	{PLAIN "field-map \"name=uid:uid=uidNumber:gid=gidNumber\";", "alice", ERR_PERM,
	 "LDAP field `dir' (`not in the map') has NULL value"},
	{PLAIN "getpwnam \"(uid=$user\";", "alice", ERR_PERM, "LDAP search: Bad search filter"},
	{"url \"ldap://127.0.0.1:@P\"; base \"dc=nowhere\"; binddn \"cn=reader,dc=test\"; passwd readerpw;", "alice",
	 ERR_PERM, "LDAP search: No such object"},
	{"url \"ldap://127.0.0.1:@P\"; base \"dc=test\"; binddn \"cn=reader,dc=test\"; passwd wrong;", "alice",
	 ERR_PERM, "ldap_bind: Invalid credentials (49)"},
	{"url \"ldap://127.0.0.1:@P\"; base \"dc=test\";", "alice", ERR_PERM,
	 "LDAP search: No such object"}, /* anonymous */
	{"url \"ldap://127.0.0.1:1\"; base \"dc=test\";", "alice", ERR_TEMP, "Can't contact LDAP server"},
	{"url \"ldaps://127.0.0.1:@T\"; " READER "ca-file \"@D/ca/ca.pem\";", "alice", OK, ""},
	{"url \"ldap://127.0.0.1:@P\"; " READER "tls yes; ca-file \"@D/ca/ca.pem\";", "alice", OK, ""},
	{"url \"ldaps://127.0.0.1:@T\"; " READER "ca-file \"@D/ca/other.pem\";", "alice", ERR_TEMP,
	 "TLS: none, or a certificate"},
	{"url \"ldap://127.0.0.1:@P\"; " READER "tls yes; ca-file \"@D/ca/other.pem\";", "alice", ERR_TEMP,
	 "TLS: none, or a certificate"},
	{"url \"ldaps://127.0.0.2:@T\"; " READER "ca-file \"@D/ca/ca.pem\";", "alice", ERR_TEMP,
	 "TLS: none, or a certificate"},
	{"url \"ldap://127.0.0.2:@P\"; " READER "tls yes; ca-file \"@D/ca/ca.pem\";", "alice", ERR_TEMP,
	 "TLS: none, or a certificate"},
	{"url \"ldaps://127.0.0.1:@T\"; " READER, "alice", ERR_TEMP,
	 "TLS: none, or a certificate"}, /* the system's authorities */
	{"url \"ldaps://127.0.0.1:@T\"; " READER "ca-file \"@D/none.pem\";", "alice", ERR_TEMP, "ca-file"},
	{"url \"ldap://127.0.0.2:@P\"; " READER "tls yes; verify-server no;", "alice", OK, ""},
	{"url \"ldaps://127.0.0.2:@T\"; " READER "verify-server no;", "alice", OK, ""},
	{"url \"ldap://127.0.0.1:@T\"; " READER, "alice", ERR_TEMP,
	 "ldap://127.0.0.1:"}, /* TLS where there should be none */
	{"url \"ldapi://@E%2Fnone\"; " READER, "alice", ERR_TEMP, "No such file or directory"},
	{"url \"ldapi://@E%2Fldapi\"; " READER "tls yes;", "alice", OK, ""},
	{"url \"ldapi://@E%2Fldapi/\"; " READER, "alice", OK, ""},
	{"url \"ldap://127.0.0.1:1 ldaps://127.0.0.1:1/ ldap://127.0.0.1:@P/dc=other??sub\"; " READER, "alice", OK, ""},
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(mistakes); i++) {
		struct loaded_module o = opened(mistakes[i].statements);
		struct backend_record r;
		struct why why;
		enum err err = looked(&o, slice_str(mistakes[i].login), &r, &why);

		print_message("%s: %s\n", err_name(err), why.text);
		check_row(i, why.text, err == mistakes[i].err);
		check_row(i, why.text, strstr(why.text, mistakes[i].says) != NULL && !strstr(why.text, "readerpw"));
		module_close(&o);
	}
}

/* What is told at the start, before there is a connection. */
static void test_not_opened(void **state)
{
	static const struct {
		const char *statements, *says;
	} rows[] = {
		{"base \"dc=test\";", "ldap.url"},
		{"url \" \"; base \"dc=test\";", "ldap.url"},
		{"url \"ldap://127.0.0.1\";", "ldap.base"},
		{"url \"http://127.0.0.1\"; base \"dc=test\";", "ldap.url: `http://127.0.0.1' is no URL of LDAP"},
		{"url \"ldap://127.0.0.1\"; base \"dc=test\"; binddn \"cn=reader\";", "ldap.passwd"},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		struct loaded_module o = made(rows[i].statements);

		check_row(i, rows[i].statements, o.err == ERR_PERM);
		check_row(i, o.why.text, strstr(o.why.text, rows[i].says) != NULL);
		module_close(&o);
	}
}

static void test_map(void **state)
{
	struct loaded_module o = opened(
		PLAIN "field-map \"name=cn:uid=uidNumber:gid=popNumber:dir=loginShell:mailbox=mailboxPath:"
		      "quota=mailQuota:passwd=gecos\"; getpwnam \"(cn=$user)\"; getpwuid \"(popNumber=${user})\";");
	struct backend_record r;
	struct why why;

	(void)state;
	check(looked(&o, SLICE("alice"), &r, &why) == OK);
	check(is(r.name, "Alice") && r.gid == 7 && is(r.home, "/bin/sh") && is(r.mailbox, "maildir:/var/mail/alice"));
	check(is(r.quota, "10M") && is(r.secret, "Alice A."));

	struct backend_ask q = ask(SLICE("7"));

	q.by_uid = true;
	check(o.b->lookup(o.priv, &q, &r, &why) == OK && is(r.name, "Alice") && r.uid == 20001);
	module_close(&o);
}

static void test_plain_passwords(void **state)
{
	struct loaded_module o = opened(PLAIN "plain-passwords yes;");
	struct backend_record r;
	struct why why;

	(void)state;
	check(looked(&o, SLICE("plain"), &r, &why) == OK && is(r.secret, "{PLAIN}plain text"));
	check(looked(&o, SLICE("x"), &r, &why) == OK && is(r.secret, "{PLAIN}x")); /* which no password has */
	check(looked(&o, SLICE("hashed"), &r, &why) == OK && slice_starts(r.secret, SLICE("$6$")));
	check(looked(&o, SLICE("unknown-scheme"), &r, &why) == OK && is(r.secret, "{FOO}bar"));
	check(looked(&o, SLICE("bare"), &r, &why) == OK && r.secret.n == 0);
	module_close(&o);
}

/* --- binds ------------------------------------------------------------------------------------------------------------- */

static void test_bind(void **state)
{
	static const struct {
		struct slice login, password;
		enum err err;
	} rows[] = {
		{TEXT("alice"), TEXT("geheim pw"), OK},
		{TEXT("alice"), TEXT("geheim"), ERR_AUTH},
		{TEXT("alice"), TEXT(""), ERR_AUTH}, /* slapd says "success" to it where anonymous users are let in */
		{TEXT("alice"), TEXT("geheim pw\0"), ERR_AUTH},
		{TEXT("alice"), TEXT("\0"), ERR_AUTH},
		{TEXT("alice"), TEXT("{SSHA}kUts3CoiRqXDL4jCulE+fC3meCgxRXfi"), ERR_AUTH},
		{TEXT("bare"), TEXT("geheim pw"), ERR_AUTH}, /* has no password */
		{TEXT("locked"), TEXT("geheim pw"), ERR_AUTH},
		{TEXT("nobody"), TEXT("geheim pw"), ERR_AUTH},
		{TEXT("*"), TEXT("geheim pw"), ERR_AUTH},
		{TEXT("twice"), TEXT("geheim pw"), ERR_PERM},
		{TEXT("o,brien (sales)*\\"), TEXT("geheim pw"), OK},
		{TEXT("plain"), TEXT("plain text"), OK}, /* what the server takes for a password is for it to say */
		{TEXT("alice"), TEXT("geheim pw"), OK},
	};
	struct loaded_module o = opened(PLAIN "auth-bind yes;");
	struct backend_record r;
	struct why why;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		check_row(i, rows[i].login.p, checked(&o, rows[i].login, rows[i].password, &why) == rows[i].err);
		check_row(i, why.text, rows[i].password.n < 2 || !strstr(why.text, rows[i].password.p));
	}
	/* Searches go on as before, whoever has bound meanwhile. */
	check(looked(&o, SLICE("bare"), &r, &why) == OK && r.asks_source && r.secret.n == 0);
	module_close(&o);

	o = opened(PLAIN);
	check(checked(&o, SLICE("alice"), SLICE("geheim pw"), &why) == ERR_PERM);
	module_close(&o);
}

/* --- servers that do not do what they should ---------------------------------------------------------------------------- */

/* At a port of its own. */
static int listener(unsigned *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 16) == 0 &&
	      getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	(void)fflush(NULL);
	return fd;
}

/* Says `octets' to whoever comes, and no more, until it is killed. */
static pid_t mute(unsigned *port, const char *octets, size_t n)
{
	int fd = listener(port);
	pid_t pid = fork();

	if (pid == 0)
		for ((void)prctl(PR_SET_PDEATHSIG, SIGKILL);;) {
			char request[512];
			int client = accept(fd, NULL, NULL);

			if (read(client, request, sizeof request) < 0 || write(client, octets, n) < 0)
				_exit(1);
		}
	(void)close(fd);
	return pid;
}

static void unmute(pid_t pid)
{
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* Bind response of message 1: success; and extended response of message 1: success, which StartTLS begins with. */
static const char begun[] = "\x30\x84\x00\x00\x00\x10\x02\x01\x01";
static const char started[] = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";

static void test_mute_server(void **state)
{
	static const struct {
		const char *scheme, *more, *octets;
		size_t n;
	} rows[] = {
		{"ldap", "", "", 0},
		{"ldaps", "", "", 0},
		{"ldap", "tls yes;", "", 0},
		{"ldap", "", begun, sizeof begun - 1}, /* the first octets of an answer */
		{"ldap", "tls yes;", started, sizeof started - 1},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		char text[256];
		unsigned port;
		pid_t pid = mute(&port, rows[i].octets, rows[i].n);
		struct backend_record r;
		struct why why = {""};

		(void)snprintf(text, sizeof text, "url \"%s://127.0.0.1:%u\"; " READER "ca-file \"@D/ca/ca.pem\"; %s",
			       rows[i].scheme, port, rows[i].more);
		struct loaded_module o = opened(text);
		struct backend_ask q = ask(SLICE("alice"));

		q.deadline_ms = clock_ms() + SHORT_MS;
		check_row(i, text, o.b->lookup(o.priv, &q, &r, &why) == ERR_TEMP);
		check_row(i, why.text, strstr(why.text, "no answer in time") != NULL);
		/* Whoever asks next knows at once, and so do all in the next second. */
		check_row(i, why.text, looked(&o, SLICE("alice"), &r, &why) == ERR_TEMP);
		check_row(i, why.text, strstr(why.text, "lately") != NULL);
		module_close(&o);

		/* Another server is asked in the time that is left. */
		(void)snprintf(text, sizeof text,
			       "url \"%s://127.0.0.1:%u ldap://127.0.0.1:@P\"; " READER "ca-file \"@D/ca/ca.pem\"; %s",
			       rows[i].scheme, port, rows[i].more);
		o = opened(text);
		q.deadline_ms = clock_ms() + (uint64_t)2 * SHORT_MS;
		check_row(i, why.text, o.b->lookup(o.priv, &q, &r, &why) == OK);
		q.deadline_ms = clock_ms() + PATIENCE_MS; /* and is asked first from then on */
		unmute(pid);
		check_row(i, why.text, o.b->lookup(o.priv, &q, &r, &why) == OK);
		module_close(&o);
	}
}

/* Signals arrive a little later, and its threads stop one after the other. */
static void slapd_freeze(void)
{
	char path[64], line[512], *state = NULL;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)slapd_pid());
	check(kill(slapd_pid(), SIGSTOP) == 0);
	while (!state || strncmp(state, ") T", 3) != 0) {
		FILE *f = fopen(path, "r");

		check(f && fgets(line, sizeof line, f));
		(void)fclose(f);
		state = strrchr(line, ')');
	}
	(void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
}

/* A connection that is kept: slapd ends, is not there, is there again; stops in the middle. */
static void test_restart(void **state)
{
	struct loaded_module o = opened(PLAIN "auth-bind yes;");
	struct backend_record r;
	struct why why;

	(void)state;
	check(looked(&o, SLICE("alice"), &r, &why) == OK);
	check(checked(&o, SLICE("alice"), SLICE("geheim pw"), &why) == OK);
	slapd_stop();
	slapd_start();
	check(looked(&o, SLICE("alice"), &r, &why) == OK); /* not a word of it */
	check(checked(&o, SLICE("alice"), SLICE("geheim pw"), &why) == OK);
	slapd_stop();
	check(looked(&o, SLICE("alice"), &r, &why) == ERR_TEMP);
	check(checked(&o, SLICE("alice"), SLICE("geheim pw"), &why) == ERR_TEMP);
	check(strstr(why.text, "Can't contact LDAP server") != NULL);
	slapd_start();
	check(checked(&o, SLICE("alice"), SLICE("geheim pw"), &why) == OK);

	struct backend_ask q = ask(SLICE("alice"));

	q.deadline_ms = clock_ms() + SHORT_MS;
	slapd_freeze();
	check(o.b->lookup(o.priv, &q, &r, &why) == ERR_TEMP);
	check(kill(slapd_pid(), SIGCONT) == 0);
	module_close(&o);
}

/* What one says to the other, until is_mute. */
static _Noreturn void pass_on(int client, const atomic_bool *is_mute)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)self.port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct pollfd ends[] = {{.fd = client, .events = POLLIN},
				{.fd = socket(AF_INET, SOCK_STREAM, 0), .events = POLLIN}};
	char octets[4096];

	check(connect(ends[1].fd, (const struct sockaddr *)&at, sizeof at) == 0);
	while (poll(ends, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			ssize_t n = ends[i].revents != 0 ? read(ends[i].fd, octets, sizeof octets) : -1;

			if (n == 0)
				_exit(0);
			if (n > 0 && !*is_mute)
				check(write(ends[1 - i].fd, octets, (size_t)n) == n);
		}
	_exit(1);
}

/* A way to slapd. The first connection is forgotten once that is said. */
static pid_t way(unsigned *port, const atomic_bool *is_forgotten)
{
	static const atomic_bool never;
	int fd = listener(port);
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)signal(SIGCHLD, SIG_IGN);
		for (const atomic_bool *is_mute = is_forgotten;; is_mute = &never) {
			int client = accept(fd, NULL, NULL);

			if (fork() == 0) {
				(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
				pass_on(client, is_mute);
			}
			close(client);
		}
	}
	close(fd);
	return pid;
}

/* A connection that is kept, and of which a firewall knows nothing any more: no word comes back, nor that it is gone. */
static void test_forgotten(void **state)
{
	atomic_bool *is_forgotten =
		mmap(NULL, sizeof *is_forgotten, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char text[128];
	unsigned port;
	struct backend_record r;
	struct why why = {""};

	(void)state;
	check(is_forgotten != MAP_FAILED);
	pid_t pid = way(&port, is_forgotten);

	(void)snprintf(text, sizeof text, "url \"ldap://127.0.0.1:%u\"; " READER, port);
	struct loaded_module o = opened(text);

	check(looked(&o, SLICE("alice"), &r, &why) == OK);
	*is_forgotten = true;
	struct backend_ask q = ask(SLICE("alice"));

	q.deadline_ms = clock_ms() + (uint64_t)5 * SHORT_MS;
	check_row(0, why.text, o.b->lookup(o.priv, &q, &r, &why) == OK);
	check(looked(&o, SLICE("alice"), &r, &why) == OK);
	module_close(&o);
	unmute(pid);
	munmap(is_forgotten, sizeof *is_forgotten);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),   cmocka_unit_test(test_injection),
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_not_opened),
		cmocka_unit_test(test_map),      cmocka_unit_test(test_plain_passwords),
		cmocka_unit_test(test_bind),     cmocka_unit_test(test_mute_server),
		cmocka_unit_test(test_restart),  cmocka_unit_test(test_forgotten),
	};

	if (argc != 3)
		return EXIT_FAILURE;
	self.script = argv[1];
	self.users = argv[2];
	(void)signal(SIGPIPE, SIG_IGN); /* as in the process that has the module */
	check_ends_within(100);
	return cmocka_run_group_tests(tests, begin, end);
}
