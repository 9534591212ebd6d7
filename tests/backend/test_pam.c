/* The module for PAM with real stacks: in a mount namespace /etc is another directory for this process. Needs root. */
#include <sched.h>
#include <sys/mount.h>

#include "module.h"

/* crypt(3) of "secret" */
#define HASH                                                                                                           \
	"$6$rounds=1000$poplar$2UkcFDn5t.NIB1qVLixC8Z3vPjGExCjkRqDiiruz/7yW5z7bL1wbOWnPSPQkAcckIwYGcBae8nY20BF25KZra."

static const struct {
	const char *service, *stack;
} stacks[] = {
	{"mailutils", "auth required pam_unix.so\naccount required pam_unix.so\n"},
	{"permit", "auth required pam_permit.so\naccount required pam_permit.so\n"},
	{"deny", "auth required pam_deny.so\naccount required pam_deny.so\n"},
	{"account", "auth required pam_permit.so\naccount required pam_deny.so\n"},
	{"nologin", "auth required pam_permit.so\nauth required pam_nologin.so file=/etc/passwd\naccount required "
		    "pam_permit.so\n"},
	{"delay",
	 "auth optional pam_faildelay.so delay=900000000\nauth required pam_deny.so\naccount required pam_permit.so\n"},
	{"broken", "auth required pam_no_such_module.so\naccount required pam_permit.so\n"},
	{"session", "auth required pam_permit.so\naccount required pam_permit.so\n"
		    "session required pam_exec.so quiet /bin/sh /etc/mark\n"},
	{"host", "auth required pam_exec.so quiet expose_authtok /bin/sh /etc/host\n"
		 "auth optional pam_permit.so\naccount required pam_permit.so\n"},
	{"says",
	 "auth required pam_echo.so file=/etc/says\nauth required pam_deny.so\naccount required pam_permit.so\n"},
};

static bool root;

static int etc_begin(void **state)
{
	int failed = given_begin(state);

	root = geteuid() == 0 && unshare(CLONE_NEWNS) == 0;
	if (failed || !root)
		return failed;
	assert_int_equal(mkdir("etc", 0755), 0);
	assert_int_equal(mkdir("etc/pam.d", 0755), 0);
	given_file("etc/nsswitch.conf", "passwd: files\nshadow: files\ngroup: files\n");
	given_file("etc/group", "root:x:0:\nshadow:x:42:\n");
	given_file("etc/passwd", "root:x:0:0::/root:/bin/sh\nalice:x:31001:31001::/:/bin/sh\n"
				 "gone:x:31002:31002::/:/bin/sh\nold:x:31003:31003::/:/bin/sh\n"
				 "older:x:31004:31004::/:/bin/sh\nlocked:x:31005:31005::/:/bin/sh\n"
				 "none:x:31006:31006::/:/bin/sh\n");
	given_file("etc/shadow", "root:*:19000::::::\nalice:" HASH ":19000::::::\ngone:" HASH ":19000:::::1:\n"
				 "old:" HASH ":0::::::\nolder:" HASH ":19000:0:1:7:1::\nlocked:!" HASH ":19000::::::\n"
				 "none::19000::::::\n");
	given_file("etc/mark", "echo $PAM_TYPE $PAM_USER >>/etc/marks\n");
	given_file(
		"etc/host",
		"read -r p; echo \"$PAM_RHOST $PAM_USER $PAM_TTY $PAM_SERVICE $p\" >/etc/hosts; [ \"$p\" = right ]\n");
	given_file("etc/says", "your password secret is bad\n");
	for (size_t i = 0; i < TABLE_ROWS(stacks); i++) {
		char path[64];

		(void)snprintf(path, sizeof path, "etc/pam.d/%s", stacks[i].service);
		given_file(path, stacks[i].stack);
	}
	assert_int_equal(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	return mount("etc", "/etc", NULL, MS_BIND, NULL);
}

static int etc_end(void **state)
{
	return root && umount("/etc") < 0 ? -1 : given_end(state);
}

static const struct {
	const char *service, *user, *password;
	enum err err;
	const char *why;
} checks[] = {
	{"mailutils", "alice", "secret", OK, ""},
	{"mailutils", "alice", "Secret", ERR_AUTH, "wrong password"},
	{"mailutils", "alice", "", ERR_AUTH, ""},
	{"mailutils", "nobody-there", "secret", ERR_AUTH, ""},
	{"mailutils", "../alice", "secret", ERR_AUTH, ""},
	{"mailutils", "alice:x\\'\";--%s%n", "secret", ERR_AUTH, ""},
	{"mailutils", "", "secret", ERR_AUTH, "no such name"},
	{"mailutils", "gone", "secret", ERR_AUTH, "the account has expired"},
	{"mailutils", "old", "secret", ERR_AUTH, "must be changed"},
	{"mailutils", "older", "secret", ERR_AUTH, "expired"},
	{"mailutils", "locked", "secret", ERR_AUTH, "wrong password"},
	{"mailutils", "none", "", ERR_AUTH, ""},
	{"mailutils", "none", "x", ERR_AUTH, ""},
	{"permit", "whoever", "whatever", OK, ""},
	{"deny", "alice", "secret", ERR_AUTH, "auth: wrong password"},
	{"account", "alice", "secret", ERR_AUTH, "account: wrong password"},
	{"nologin", "alice", "secret", ERR_AUTH, ""},
	{"delay", "alice", "secret", ERR_AUTH, "wrong password"},
	{"broken", "alice", "secret", ERR_PERM, "PAM service broken"},
	{"no-such-service", "alice", "secret", ERR_PERM, "make /etc/pam.d/no-such-service"},
	{"host", "alice", "right", OK, ""},
	{"host", "alice", "wrong", ERR_PERM, "PAM service host, auth"},
	{"says", "alice", "is bad", ERR_AUTH, "wrong password"},
	{"says", "alice", "other", ERR_AUTH, "(your password secret is bad"},
};

static void test_check(void **state)
{
	(void)state;
	if (!root)
		skip();
	check_ends_within(120);
	for (size_t i = 0; i < TABLE_ROWS(checks); i++) {
		char text[128], shown[200];
		struct why why = {""};

		(void)snprintf(text, sizeof text, "pam { service %s; }", checks[i].service);
		struct loaded_module m = module_open("pam", text);
		struct backend_ask ask = module_ask(checks[i].user, checks[i].password);

		check_row(i, m.why.text, m.err == OK);
		enum err err = module_check(&m, &ask, &why);

		(void)snprintf(shown, sizeof shown, "%s %s %s: %s %s", checks[i].service, checks[i].user,
			       checks[i].password, err_name(err), why.text);
		check_row(i, shown, err == checks[i].err && strstr(why.text, checks[i].why));
		check_row(i, shown, !*checks[i].password || !strstr(why.text, checks[i].password));
		module_close(&m);
	}
}

static void file_is(const char *path, const char *text)
{
	char found[256] = "";
	FILE *f = fopen(path, "r");

	check_row(0, path, f != NULL);
	size_t n = fread(found, 1, sizeof found - 1, f);

	(void)fclose(f);
	check_row(n, found, strcmp(found, text) == 0);
}

/* What a stack is told; the session, where one is asked for. */
static void test_told(void **state)
{
	(void)state;
	if (!root)
		skip();
	struct loaded_module host = module_open("pam", "pam { service host; }");
	struct loaded_module none = module_open("pam", "pam { service session; }");
	struct loaded_module both = module_open("pam", "pam { service session; session yes; }");
	struct backend_ask ask = module_ask("alice@example.test", "right");

	ask.name = SLICE("alice");
	check(module_check(&host, &ask, NULL) == OK);
	file_is("/etc/hosts", "192.0.2.7 alice pop3 host right\n");
	check(module_check(&none, &ask, NULL) == OK);
	check(access("/etc/marks", F_OK) < 0);
	check(module_check(&both, &ask, NULL) == OK);
	file_is("/etc/marks", "open_session alice\nclose_session alice\n");
	module_close(&host);
	module_close(&none);
	module_close(&both);
}

/* Without a file of its own a service is what `other' is, and its failures say so. */
static void test_other(void **state)
{
	struct why why = {""};

	(void)state;
	if (!root)
		skip();
	given_file("/etc/pam.d/other", "auth required pam_unix.so\naccount required pam_unix.so\n");
	struct loaded_module m = module_open("pam", "pam { service no-such-service; }");
	struct backend_ask ask = module_ask("alice", "secret");

	check(module_check(&m, &ask, NULL) == OK);
	ask.password = SLICE("wrong");
	check(module_check(&m, &ask, &why) == ERR_AUTH);
	check_row(0, why.text, strstr(why.text, "has no file: `other'") != NULL);
	module_close(&m);
}

static void test_open(void **state)
{
	static const char *const bad[] = {"a/b", "\"\"", "../x", "."};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(bad); i++) {
		char text[64];

		(void)snprintf(text, sizeof text, "pam { service %s; }", bad[i]);
		struct loaded_module m = module_open("pam", text);

		check_row(i, bad[i],
			  m.err == ERR_PERM && strstr(m.why.text, "expected the name of a file in /etc/pam.d"));
		module_close(&m);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_told),
		cmocka_unit_test(test_other),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests(tests, etc_begin, etc_end);
}
