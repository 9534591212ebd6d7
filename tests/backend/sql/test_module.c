/* The module `sql' with a real server of each kind: what it finds, what it binds, and how it lives with a server that ends.
 *
 * usage: test_sql_module postgres|mysql|odbc|sqlite	the server is started by tests/services */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "backend/backend.h"

#include "check.h"

enum { PATIENCE_MS = 10000, SHORT_MS = 400 };

static const char *kind;
static char dir[] = "/tmp/sqltest-XXXXXX";
static void *object; /* it stays loaded */
static const struct backend *module;

/* --- the server ------------------------------------------------------------------------------------------------- */

static bool run(const char *what, const char *input)
{
	FILE *f = popen(what, "w"); /* NOLINT(cert-env33-c): our own script */

	assert_non_null(f);
	assert_true(fputs(input, f) >= 0);
	return pclose(f) == 0;
}

static bool in_dir(const char *program, const char *input)
{
	char command[128];

	(void)snprintf(command, sizeof command, "%s/%s", dir, program);
	return run(command, input);
}

static bool server_up(void)
{
	char command[512];

	(void)snprintf(command, sizeof command, "%s/%s-up %s", SERVICES, strcmp(kind, "mysql") == 0 ? "mariadb" : kind,
		       dir);
	return run(command, "");
}

static void configuration(char *dst, size_t cap)
{
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/conf", dir);
	f = fopen(path, "r");
	assert_non_null(f);
	dst[fread(dst, 1, cap - 1, f)] = '\0';
	(void)fclose(f);
}

static const char schema[] =
	"create table users (login varchar(64) primary key, passwd varchar(255), uid int, gid int, gecos varchar(255), "
	"dir varchar(255),"
	" shell varchar(64), mailbox varchar(255), quota varchar(32), pass varchar(255));\n"
	"insert into users values ('alice', '$6$x$y', 20001, 20001, 'Alice', '/home/alice', '/bin/sh', "
	"'maildir:/var/mail/alice', '10M', 'apw');\n"
	"insert into users values ('bob', '!', 20002, 20002, null, '/home/bob', '/bin/sh', null, null, null);\n"
	"insert into users values ('o''brien', '*', 20003, 20003, '', '/home/ob', '/bin/sh', '', '', '{SSHA}abc');\n"
	"insert into users values ('nodir', '*', 20004, 20004, '', null, '/bin/sh', '', '', '');\n"
	"insert into users values ('x@example.org', '*', 20005, 20005, '', '/home/x', '/bin/sh', '', '', 'p');\n"
	"insert into users values ('back\\slash', '*', 20006, 20006, '', '/home/b', '/bin/sh', '', '', 'b');\n"
	"insert into users values ('j\xc3\xa4ger', '*', 20007, 20007, '', '/home/j', '/bin/sh', '', '', 'j');\n";

static int begin(void **state)
{
	(void)state;
	check_ends_within(110);
	if (!mkdtemp(dir) || chmod(dir, 0755) < 0 || !server_up())
		return -1;
	/* MariaDB reads a backslash as an escape. */
	char text[sizeof schema + 16];
	const char *at = strstr(schema, "back\\");

	(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - schema) + 4, schema,
		       strcmp(kind, "mysql") == 0 ? "\\" : "", at + 4);
	return in_dir("sql", text) ? 0 : -1;
}

static int end(void **state)
{
	char command[64];

	(void)state;
	(void)in_dir("stop", "");
	(void)snprintf(command, sizeof command, "rm -rf %s", dir);
	return run(command, "") ? 0 : -1;
}

/* --- the module ------------------------------------------------------------------------------------------------- */

struct opened {
	struct conf *cf;
	void *priv;
	struct why why;
	enum err err;
};

static struct opened open_text(const char *text)
{
	char path[64];
	struct opened o = {.err = ERR_PERM};
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/pop3d.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(&(struct conf_source){.program = "pop3d", .config_file = path}, &o.cf), 0);
	o.err = module->open(o.cf, &o.priv, &o.why);
	return o;
}

static const char usual[] =
	"getpwnam \"select login as name, passwd, uid, gid, gecos, dir, shell, mailbox, quota from users where "
	"login='$user'\";"
	"getpwuid \"select login as name, passwd, uid, gid, gecos, dir, shell from users where uid=$user\";"
	"getpass \"select pass from users where login='${user}'\";";

/* Of the server that was started, with these statements. */
static struct opened open_with(const char *statements)
{
	char server[512], text[4096];

	configuration(server, sizeof server);
	(void)snprintf(text, sizeof text, "auth { authorization sql; authentication (generic, sql); }\nsql { %s %s }\n",
		       server, statements);
	return open_text(text);
}

static void closed(struct opened *o)
{
	if (o->err == OK)
		module->close(o->priv);
	conf_free(o->cf);
}

static enum err look(struct opened *o, const char *login, struct backend_record *r)
{
	const struct backend_ask ask = {
		.login = slice_str(login), .wants_secret = true, .deadline_ms = clock_ms() + PATIENCE_MS};

	o->why.text[0] = '\0';
	return module->lookup(o->priv, &ask, r, &o->why);
}

static bool is(struct slice text, const char *expected)
{
	return slice_eq(text, slice_str(expected));
}

static void test_records(void **state)
{
	struct opened o = open_with(usual);
	struct backend_record r;

	(void)state;
	check_row(0, o.why.text, o.err == OK);
	check_row(0, o.why.text, look(&o, "alice", &r) == OK);
	check(is(r.name, "alice") && is(r.hash, "$6$x$y") && r.uid == 20001 && r.gid == 20001 && is(r.gecos, "Alice"));
	check(is(r.home, "/home/alice") && is(r.shell, "/bin/sh") && is(r.mailbox, "maildir:/var/mail/alice") &&
	      is(r.quota, "10M"));
	check(is(r.secret, "{PLAIN}apw") && !r.refusal && !r.asks_source);
	check_row(0, o.why.text, look(&o, "bob", &r) == OK);
	check(r.mailbox.n == 0 && r.quota.n == 0 && r.secret.n == 0 && is(r.gecos, ""));
	check(r.refusal && strstr(r.refusal, "locked"));
	check_row(0, o.why.text, look(&o, "o'brien", &r) == OK && is(r.secret, "{SSHA}abc"));
	check_row(0, o.why.text, look(&o, "back\\slash", &r) == OK && r.uid == 20006);
	check_row(0, o.why.text, look(&o, "j\xc3\xa4ger", &r) == OK && r.uid == 20007);
	check_row(0, o.why.text, look(&o, "nodir", &r) == ERR_PERM);
	check_row(0, o.why.text, strcmp(o.why.text, "SQL field `dir' (`dir') has NULL value") == 0);
	closed(&o);
}

/* Names that nobody has, whatever they hold. */
static const char *const nobody[] = {
	"carol", "x' OR '1'='1", "alice' -- ", "' or 1=1 #", "\\",           "\\' or 1=1 -- ",
	"%",     "a%",           "_lice",      "alice\\",    "\"",           "$user",
	"?",     "$1",           "\xff\xfe",   "al\xc3",     "\xed\xa0\x80", "'; drop table users; -- ",
};

static void test_names_that_nobody_has(void **state)
{
	struct opened o = open_with(usual);
	struct backend_record r;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(nobody); i++) {
		check_row(i, nobody[i], look(&o, nobody[i], &r) == ERR_AUTH);
		check_row(i, o.why.text, strstr(o.why.text, "no such user"));
	}
	check_row(0, o.why.text, look(&o, "alice", &r) == OK);
	closed(&o);
}

static const struct {
	const char *statements, *login;
	const char *name; /* of the record; NULL: it is ERR_PERM */
	const char *secret, *says;
} varied[] = {
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login);", "alice", "alice", "", ""},
	{"getpwnam \"select * from users where login='$user'\"; field-map \"name=login:gecos=shell:uid=gid\";", "alice",
	 "alice", "", ""},
	{"getpwnam \"select * from users where login='$user'\";", "alice", NULL, NULL,
	 "SQL field `name' (`name') is not in the answer"},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login, shell=gecos);", "bob", NULL,
	 NULL, "SQL field `shell' (`gecos') has NULL value"},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login, uid=dir);", "alice", NULL, NULL,
	 "SQL field `uid' (`dir') is no number: /home/alice"},
	{"getpwnam \"select * from users where login='$user@example.org'\"; field-map (name=login);", "x",
	 "x@example.org", "", ""},
	{"getpwnam \"select * from users where login='$(localpart $user)'\"; field-map (name=login);", "alice@y",
	 "alice", "", ""},
	{"getpwnam \"select * from users where login='$user' or 1=1 order by uid\"; field-map (name=login);", "zed",
	 "alice", "", ""},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select pass from "
	 "users where login='$user'\";"
	 " password-encryption crypt;",
	 "alice", "alice", "{CRYPT}apw", ""},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select pass from "
	 "users where login='$user'\";"
	 " password-encryption hash;",
	 "o'brien", "o'brien", "{SSHA}abc", ""},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select pass from "
	 "users where login='$user'\";"
	 " password-encryption scrambled;",
	 "alice", "alice", "{SCRAMBLED}apw", ""},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select pass from "
	 "users where 1=0\";",
	 "alice", "alice", "", ""},
	{"getpwnam \"select * from nothing where login='$user'\";", "alice", NULL, NULL, "SQL query failed: "},
	{"getpwnam \"selectt\";", "alice", NULL, NULL, "SQL query failed: "},
	{"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select pass from "
	 "nothing\";",
	 "alice", NULL, NULL, "SQL query failed: "},
};

static void test_statements(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(varied); i++) {
		char statements[1024];
		struct backend_record r;

		(void)snprintf(statements, sizeof statements, "%s%s", varied[i].statements,
			       strstr(varied[i].statements, "getpass") ? "" : " getpass \"select ''\";");
		struct opened o = open_with(statements);

		check_row(i, o.why.text, o.err == OK);
		for (int twice = 0; twice < 2; twice++) { /* an error leaves the connection as it was */
			enum err err = look(&o, varied[i].login, &r);

			check_row(i, o.why.text, err == (varied[i].name ? OK : ERR_PERM));
			check_row(i, o.why.text, err == OK || strstr(o.why.text, varied[i].says));
			check_row(i, varied[i].statements,
				  err != OK || (is(r.name, varied[i].name) && is(r.secret, varied[i].secret)));
		}
		closed(&o);
	}
}

/* A number finds its user, and nothing else does. */
static void test_by_uid(void **state)
{
	struct opened o = open_with(usual);
	struct backend_record r;
	struct backend_ask ask = {.login = SLICE("20002"), .by_uid = true, .deadline_ms = clock_ms() + PATIENCE_MS};

	(void)state;
	check_row(0, o.why.text, module->lookup(o.priv, &ask, &r, &o.why) == OK);
	check(is(r.name, "bob") && is(r.gecos, ""));
	ask.login = SLICE("29999");
	check(module->lookup(o.priv, &ask, &r, &o.why) == ERR_AUTH);
	ask.login = SLICE("20002abc");
	check(module->lookup(o.priv, &ask, &r, &o.why) == ERR_AUTH);
	closed(&o);
}

static const struct {
	const char *text, *says;
} wrong[] = {
	{"auth { authorization sql; authentication generic; } sql { user x; }", "sql { interface } is missing"},
	{"auth { authorization sql; authentication generic; } sql { %s }", "sql { getpwnam } is missing"},
	{"auth { authorization sql; authentication sql; } sql { %s getpwnam \"select 1\"; }",
	 "sql { getpass } is missing"},
	{"auth { authorization sql; authentication sql; } sql { %s getpwnam \"select 1 from t_$user\"; }",
	 "sql { getpwnam }: "},
};

static void test_wrong_configurations(void **state)
{
	char server[512], text[2048];

	(void)state;
	configuration(server, sizeof server);
	for (size_t i = 0; i < TABLE_ROWS(wrong); i++) {
		const char *at = strstr(wrong[i].text, "%s");

		(void)snprintf(text, sizeof text, "%.*s%s%s",
			       at ? (int)(at - wrong[i].text) : (int)strlen(wrong[i].text), wrong[i].text,
			       at ? server : "", at ? at + 2 : "");
		struct opened o = open_text(text);

		check_row(i, text, o.err == ERR_PERM);
		check_row(i, o.why.text, strstr(o.why.text, wrong[i].says));
		closed(&o);
	}
}

/* A server that was stopped is an error that passes; the connection that it had is made anew when it is back. */
static void test_restart(void **state)
{
	struct opened o = open_with(usual);
	struct backend_record r;

	(void)state;
	check_row(0, o.why.text, look(&o, "alice", &r) == OK);
	check(in_dir("kill", "") && server_up());
	check_row(0, o.why.text, look(&o, "alice", &r) == OK); /* the old connection is dead, and the answer right */
	check(in_dir("stop", ""));
	check_row(0, o.why.text, look(&o, "alice", &r) == ERR_TEMP);
	check_row(0, o.why.text, strstr(o.why.text, "SQL error: ") && !strstr(o.why.text, "p}w"));
	check(server_up());
	check_row(0, o.why.text, look(&o, "alice", &r) == OK && is(r.secret, "{PLAIN}apw"));
	closed(&o);
}

/* A table that is changed under a query that was prepared. */
static void test_changed_table(void **state)
{
	struct opened o = open_with(
		"getpwnam \"select * from users where login='$user'\"; field-map (name=login); getpass \"select ''\";");
	struct backend_record r;

	(void)state;
	check_row(0, o.why.text, look(&o, "alice", &r) == OK);
	check(in_dir("sql", "alter table users add column more int;"));
	check_row(0, o.why.text, look(&o, "alice", &r) == OK && r.uid == 20001);
	closed(&o);
}

/* Somebody takes the connection and never says a word. */
static void test_silent_server(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char port[64];
	struct backend_record r;

	(void)state;
	check(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 8) == 0 &&
	      getsockname(fd, (struct sockaddr *)&at, &n) == 0);
	char statements[2048];

	(void)snprintf(port, sizeof port, "port %u;", ntohs(at.sin_port));
	(void)snprintf(statements, sizeof statements, "%s %s", port, usual); /* the last port counts */
	struct opened o = open_with(statements);
	const struct backend_ask ask = {.login = SLICE("alice"), .deadline_ms = clock_ms() + SHORT_MS};

	check_row(0, o.why.text, o.err == OK);
	check(module->lookup(o.priv, &ask, &r, &o.why) == ERR_TEMP);
	check_row(0, o.why.text, strstr(o.why.text, "does not answer in time"));
	closed(&o);
	close(fd);
}

/* A query that the server is busy with when it is time, and what it is asked next. */
static void test_slow_query(void **state)
{
	static const struct {
		const char *kind, *slow;
	} slow[] = {
		{"postgres", "select pg_sleep(60)"},
		{"odbc", "select pg_sleep(60)"},
		{"mysql", "select sleep(60)"},
		{"sqlite", "with recursive n(i) as (select 1 union all select i+1 from n) select count(*) from n"},
	};
	char statements[2048];
	struct backend_record r;

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(slow); i++) {
		if (strcmp(slow[i].kind, kind) != 0)
			continue;
		(void)snprintf(statements, sizeof statements, "%s getpass \"%s\";", usual, slow[i].slow);
		struct opened o = open_with(statements);
		struct backend_ask ask = {
			.login = SLICE("alice"), .wants_secret = true, .deadline_ms = clock_ms() + SHORT_MS};

		check_row(0, o.why.text, o.err == OK);
		check_row(0, o.why.text, module->lookup(o.priv, &ask, &r, &o.why) == ERR_TEMP);
		ask.wants_secret = false;
		ask.deadline_ms = clock_ms() + PATIENCE_MS;
		check_row(0, o.why.text, module->lookup(o.priv, &ask, &r, &o.why) == OK && r.uid == 20001);
		closed(&o);
	}
}

/* A data base that another one is renamed onto; only a file can be. */
static void test_replaced_file(void **state)
{
	char command[256];
	struct opened o = open_with(usual);
	struct backend_record r;

	(void)state;
	check_row(0, o.why.text, look(&o, "alice", &r) == OK && is(r.secret, "{PLAIN}apw"));
	(void)snprintf(command, sizeof command, "cp %s/users.db %s/new.db && sqlite3 %s/new.db", dir, dir, dir);
	check(run(command, "update users set pass='new' where login='alice';"));
	(void)snprintf(command, sizeof command, "mv %s/new.db %s/users.db", dir, dir);
	check(run(command, ""));
	check_row(0, o.why.text, look(&o, "alice", &r) == OK && is(r.secret, "{PLAIN}new"));
	(void)snprintf(command, sizeof command, "rm %s/users.db", dir);
	check(run(command, ""));
	check_row(0, o.why.text, look(&o, "alice", &r) == ERR_TEMP);
	closed(&o);
}

int main(int argc, char **argv)
{
	char path[512];
#define FOR_ALL                                                                                                        \
	cmocka_unit_test(test_records), cmocka_unit_test(test_names_that_nobody_has),                                  \
		cmocka_unit_test(test_statements), cmocka_unit_test(test_by_uid),                                      \
		cmocka_unit_test(test_wrong_configurations), cmocka_unit_test(test_slow_query),                        \
		cmocka_unit_test(test_changed_table)
	const struct CMUnitTest of_a_server[] = {FOR_ALL, cmocka_unit_test(test_silent_server),
						 cmocka_unit_test(test_restart)};
	const struct CMUnitTest of_a_file[] = {FOR_ALL, cmocka_unit_test(test_replaced_file)};

	kind = argc == 2 ? argv[1] : "sqlite";
	(void)snprintf(path, sizeof path, "%s/mod_sql_%s.so", SQL_MODULES, kind);
	object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	module = object ? dlsym(object, "backend_module") : NULL;
	if (!module) {
		print_error("%s: %s\n", path, dlerror());
		return 1;
	}
	return strcmp(kind, "sqlite") == 0 ? cmocka_run_group_tests(of_a_file, begin, end)
					   : cmocka_run_group_tests(of_a_server, begin, end);
}
