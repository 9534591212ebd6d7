/* RADIUS with a real server: FreeRADIUS, started by tests/services/radius-up below SERVICES. What lies between and forges, servers that
 * die, and many at once are in e2e/test_radius.py. */
#include <fcntl.h>
#include <sys/wait.h>

#include "module.h"

static char port[16], cwd[64];

static void service_up(const char *sign)
{
	char command[512];

	check(getcwd(cwd, sizeof cwd) != NULL);
	check(snprintf(command, sizeof command, "SIGNS=%s %s/radius-up %s/server %s", sign, getenv("SERVICES"), cwd,
		       port) < (int)sizeof command);
	FILE *p = popen(command, "r"); /* NOLINT(cert-env33-c): a text of ours */

	check(p && fgets(port, sizeof port, p));
	port[strcspn(port, "\n")] = '\0';
	check(pclose(p) == 0);
}

static void file_read(const char *path, char text[static 256])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, 255) : -1;

	text[n > 0 ? n : 0] = '\0';
	if (fd >= 0)
		close(fd);
}

/* It is not a child, so that somebody else buries it, or nobody. */
static bool is_alive(long pid)
{
	char path[64], text[256];

	(void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	file_read(path, text);
	return *text && !strstr(text, ") Z ");
}

static void service_down(void)
{
	char text[256];

	file_read("server/pid", text);
	long pid = strtol(text, NULL, 10);

	check(pid > 1 && kill((pid_t)pid, SIGTERM) == 0);
	while (is_alive(pid)) /* the alarm of begin() is the limit */
		(void)usleep(5000);
}

static const char users[] =
	"DEFAULT	Service-Type == Authorize-Only, User-Name == \"alice\", Auth-Type := Accept\n"
	"	GNU-MU-User-Name = \"alice.x\", GNU-MU-UID = 20001, GNU-MU-GID = 20002, GNU-MU-Dir = \"/home/alice\",\n"
	"	GNU-MU-GECOS = \"Alice\", GNU-MU-Shell = \"/bin/sh\", GNU-MU-Mailbox = \"maildir:/var/mail/alice\", "
	"GNU-MU-Quota = 10485760\n"
	"DEFAULT	Service-Type == Authorize-Only, User-Name == \"20001\", Auth-Type := Accept\n"
	"	GNU-MU-User-Name = \"alice\", GNU-MU-UID = 20001, GNU-MU-GID = 20002, GNU-MU-Dir = \"/home/alice\"\n"
	"DEFAULT	Service-Type == Authorize-Only, User-Name == \"bob\", Auth-Type := Accept\n"
	"	GNU-MU-UID = 20003, GNU-MU-GID = 20003, GNU-MU-Dir = \"/home/bob\"\n"
	"DEFAULT	Service-Type == Authorize-Only, User-Name == \"homeless\", Auth-Type := Accept\n"
	"	GNU-MU-UID = 20004, GNU-MU-GID = 20004\n"
	"DEFAULT	Service-Type == Authorize-Only, User-Name == \"disabled\", Auth-Type := Reject\n"
	"	GNU-MU-UID = 20005, GNU-MU-GID = 20005, GNU-MU-Dir = \"/home/disabled\", Reply-Message = \"is "
	"disabled\"\n"
	"DEFAULT	Service-Type == Authorize-Only, Auth-Type := Reject\n"
	"alice	Cleartext-Password := \"apw\"\n"
	"disabled	Auth-Type := Reject\n"
	"	Reply-Message = \"disabled: not with secret-word\"\n";

#define CONF                                                                                                           \
	"radius { server 127.0.0.1:%s; secret %s; auth \"User-Name = $user, User-Password = $passwd\";"                \
	" getpwnam \"User-Name = $user, Service-Type = Authorize-Only, Calling-Station-Id = $client\";"                \
	" getpwuid \"User-Name = $user, Service-Type = Authorize-Only\"; %s }"

static struct loaded_module module_for(const char *secret, const char *more)
{
	char text[1024];

	(void)snprintf(text, sizeof text, CONF, port, secret, more);
	struct loaded_module m = module_open("radius", text);

	check_row(0, m.why.text, m.err == OK);
	return m;
}

static const struct {
	const char *user;
	bool by_uid;
	enum err err;
	const char *record; /* or part of the sentence */
} lookups[] = {
	{"alice", false, OK, "alice.x 20001 20002 Alice /home/alice /bin/sh maildir:/var/mail/alice 10485760"},
	{"20001", true, OK, "alice 20001 20002  /home/alice   "},
	{"bob", false, OK, " 20003 20003  /home/bob   "},
	{"homeless", false, ERR_PERM, "the answer has no GNU-MU-Dir"},
	{"disabled", false, ERR_AUTH, "rejects the user: is disabled"},
	{"carol", false, ERR_AUTH, "rejects the user"},
	{"carol", true, ERR_AUTH, "rejects the user"},
	{"", false, ERR_AUTH, "rejects"},
	{"alice, Service-Type = Login-User", false, ERR_AUTH, "rejects"},
	{"bob\" \\ ' ${passwd} %{User-Name} \x01\xff", false, ERR_AUTH, "rejects"},
};

static void test_lookup(void **state)
{
	struct loaded_module m = module_for("testing123", "");

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(lookups); i++) {
		struct backend_ask ask = module_ask(lookups[i].user, "");
		struct backend_record r;
		struct why why = {""};
		char shown[512];

		ask.by_uid = lookups[i].by_uid;
		enum err err = m.b->lookup(m.priv, &ask, &r, &why);

		check_row(i, why.text, err == lookups[i].err);
		if (err == OK) {
#define S(x) (int)(x).n, (x).n ? (x).p : ""
			(void)snprintf(shown, sizeof shown, "%.*s %u %u %.*s %.*s %.*s %.*s %.*s", S(r.name), r.uid,
				       r.gid, S(r.gecos), S(r.home), S(r.shell), S(r.mailbox), S(r.quota));
			check_row(i, r.place, strstr(r.place, "radius 127.0.0.1:") && r.asks_source && !r.refusal);
		} else {
			(void)snprintf(shown, sizeof shown, "%s", why.text);
		}
		check_row(i, shown,
			  err == OK ? strcmp(shown, lookups[i].record) == 0 : strstr(shown, lookups[i].record) != NULL);
	}
	module_close(&m);
}

static const struct {
	const char *user, *password;
	enum err err;
} checks[] = {
	{"alice", "apw", OK},
	{"alice", "Apw", ERR_AUTH},
	{"alice", "", ERR_AUTH},
	{"alice", "apw, Auth-Type = Accept", ERR_AUTH},
	{"alice", "apw\" \\ ${user} %{User-Name}", ERR_AUTH},
	{"nobody", "apw", ERR_AUTH},
	{"disabled", "secret-word", ERR_AUTH},
	{"disabled", "x", ERR_AUTH},
};

static void test_check(void **state)
{
	struct loaded_module m = module_for("testing123", "");

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(checks); i++) {
		struct backend_ask ask = module_ask(checks[i].user, checks[i].password);
		struct why why = {""};
		enum err err = module_check(&m, &ask, &why);

		check_row(i, why.text, err == checks[i].err);
		if (strlen(checks[i].password) > 3)
			check_row(i, why.text, !strstr(why.text, checks[i].password));
	}
	module_close(&m);
}

/* A server that knows another secret answers nothing that is believed; it is trouble, not a wrong password. */
static void test_other_secret(void **state)
{
	struct loaded_module m = module_for("other", "timeout 1;");
	struct backend_ask ask = module_ask("alice", "apw");
	struct why why = {""};

	(void)state;
	ask.deadline_ms = clock_ms() + 1000;
	check_row(0, why.text, module_check(&m, &ask, &why) == ERR_TEMP);
	check_row(0, why.text, strstr(why.text, "no answer"));
	module_close(&m);
}

/* One that signs nothing is believed on request only; killed, it is trouble at once; started anew, all is well without a word. */
static void test_unsigned(void **state)
{
	struct loaded_module strict = module_for("testing123", "");
	struct loaded_module lax = module_for("testing123", "require-message-authenticator no;");
	struct backend_ask ask = module_ask("alice", "apw");
	struct why why = {""};

	(void)state;
	check(module_check(&strict, &ask, &why) == OK);
	service_down();
	ask.deadline_ms = clock_ms() + 5000;
	check(module_check(&strict, &ask, &why) == ERR_TEMP);
	check_row(0, why.text, strstr(why.text, "Connection refused"));
	service_up("no");
	ask.deadline_ms = clock_ms() + 1000;
	check(module_check(&strict, &ask, &why) == ERR_TEMP);
	check_row(0, why.text, strstr(why.text, "without Message-Authenticator"));
	ask.deadline_ms = clock_ms() + 20000;
	check_row(0, why.text, module_check(&lax, &ask, &why) == OK);
	ask.password = SLICE("bad");
	check_row(0, why.text, module_check(&lax, &ask, &why) == ERR_AUTH);
	module_close(&strict);
	module_close(&lax);
}

static int begin(void **state)
{
	int failed = given_begin(state);

	if (failed || mkdir("server", 0700) < 0)
		return -1;
	check_ends_within(240);
	given_file("server/users", users);
	service_up("yes");
	return 0;
}

static int end(void **state)
{
	service_down();
	return given_end(state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lookup),
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_other_secret),
		cmocka_unit_test(test_unsigned),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
