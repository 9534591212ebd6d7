/* What is said about a configuration that is wrong: Mailutils' words, the place, and what was expected; and the status. */
#include "given.h"

/* What is said about every bad value of the kind. */
#define YES_NO "yes or no (or on, t, true, 1; off, nil, false, 0)"
#define NUMBER "a number from 0 to 4294967295"
#define TIME(most) "a time as 90 or \"1 hour 30 minutes\", from 0 to " most " seconds"
#define TLS "one of no, false, off, 0, ondemand, stls, required, connection, yes, true, on and 1"
#define CHECKS                                                                                                         \
	"names of checks: none, all, gwrfil, awrfil, grdfil, ardfil, linkwrdir, gwrdir, awrdir, each with + or - in "  \
	"front or without"
#define MODULES "names of modules, in a list or with colons between"
#define CIDR "[from] any, an address, ADDRESS/BITS, ADDRESS/MASK or a host"
#define ADDRESS "IP, HOST, :PORT, \"[IPv6]\" with or without :PORT, or unix:///PATH"

/* Every line of `said` begins with "pop3d: f.conf:", which is left out here; or with `!', then only with "pop3d: ". */
static const struct {
	const char *text;
	int status;
	const char *said;
} errors[] = {
	/* names */
	{"foo 1;", 78, "1.1-6: unknown keyword `foo'; expected one that the top level has (see --config-help)\n"},
	{"EXPIRE 1;", 78, "1.1-9: unknown keyword `EXPIRE'; expected one that the top level has (see --config-help)\n"},
	{"expir 1;", 78, "1.1-8: unknown keyword `expir'; did you mean `expire'?\n"},
	{"max-chidlren 1;", 78, "1.1-15: unknown keyword `max-chidlren'; did you mean `max-children'?\n"},
	{"mailbox { mail-spol /x; }", 78, "1.11-23: unknown keyword `mail-spol'; did you mean `mail-spool'?\n"},
	{"passwd-dir /x;", 78, "1.1-14: unknown keyword `passwd-dir'; it belongs into virtdomain\n"},
	{"mailbox { pidfile /x; }", 78, "1.11-21: unknown keyword `pidfile'; it belongs into the top level\n"},
	{"foo { bar 1; }", 78,
	 "1.1-14: unknown section `foo'; expected one that the top level has (see --config-help)\n"},
	{"virtdomian { }", 78, "1.1-14: unknown section `virtdomian'; did you mean `virtdomain'?\n"},
	{"tls x;", 78, "1.1-6: unknown keyword `tls'; it is a section, expected `{'\n"},
	{"undelete { }", 78, "1.1-12: unknown section `undelete'; it is a statement, expected a value and `;'\n"},
	{"server 127.0.0.1 { foo 1; }", 78,
	 "1.20-25: unknown keyword `foo'; expected one that section server has (see --config-help)\n"},
	{"mailbox {\n  foo\n    1;\n}", 78,
	 "2.3-3.6: unknown keyword `foo'; expected one that section mailbox has (see --config-help)\n"},
	{"sieve { x-y 1; } mailer { url foo; }", 0, ""},
	{"program imap4d { foo 1; }", 0,
	 "1.1-25: ignoring `program' block: not located in top-level configuration file\n"},
	/* all of them are told */
	{"aaa 1;\nbbb 2;\nexpire x;", 78,
	 "1.1-6: unknown keyword `aaa'; expected one that the top level has (see --config-help)\n"
	 "2.1-6: unknown keyword `bbb'; expected one that the top level has (see --config-help)\n"
	 "3.1-9: Invalid argument; expected a number of days from 0 to 4294967295\n"},
	{"expire x; undelete", 78,
	 "1.11-18: syntax error; expected a value or `{' before the end of the file\n"
	 "!errors parsing file f.conf: Operation failed\n"
	 "1.1-9: Invalid argument; expected a number of days from 0 to 4294967295\n"},
	/* values */
	{"undelete YES;", 78, "1.1-13: Invalid argument; expected " YES_NO "\n"},
	{"undelete (yes);", 78, "1.1-15: expected string value; it takes " YES_NO "\n"},
	{"undelete yes no;", 78, "1.1-16: expected string value; it takes " YES_NO "\n"},
	{"max-children -1;", 78, "1.1-16: Numerical result out of range; expected " NUMBER "\n"},
	{"max-children 4294967296;", 78, "1.1-24: Numerical result out of range; expected " NUMBER "\n"},
	{"max-children 5k;", 78, "1.1-16: Invalid argument; expected " NUMBER "\n"},
	{"login-delay 60s;", 78, "1.1-16: invalid time specification near s; expected " TIME("31622400") "\n"},
	{"login-delay \"1 hour 3 foo\";", 78,
	 "1.1-27: invalid time specification near foo; expected " TIME("31622400") "\n"},
	{"tls-mode requird;", 78,
	 "1.1-17: not a valid tls keyword: requird; expected " TLS "; did you mean `required'?\n"},
	{"mode foo;", 78, "1.1-9: unknown daemon mode; expected one of inetd, interactive and daemon\n"},
	{"port foo;", 78,
	 "1.1-9: unknown service: foo; expected a number from 0 to 65535, or the name of a TCP service\n"},
	{"port 70000;", 78,
	 "1.1-11: invalid port number: 70000; expected a number from 0 to 65535, or the name of a TCP service\n"},
	{"apop-database-safety (all, foo);", 78, "1.1-32: unknown keyword: foo; expected " CHECKS "\n"},
	{"apop-database-safety \"-owner\";", 78, "1.1-30: unknown keyword: -owner; expected " CHECKS "\n"},
	{"apop-database-owner no.such.user;", 78,
	 "1.1-33: no such user: no.such.user; expected the name of a user, or a uid\n"},
	{"logging { severity foo; }", 78,
	 "1.11-23: unknown severity `foo'; expected one of debug, info, notice, warning, error, crit, alert and "
	 "emerg\n"},
	{"logging { facility foo; }", 78,
	 "1.11-23: unknown syslog facility `foo'; expected one of user, daemon, auth, authpriv, mail, cron, local0, "
	 "local1, local2, local3, local4, local5, local6 and local7, or a number from 0 to 23\n"},
	{"locking { type foo; }", 78,
	 "1.11-19: unrecognized locker type: foo; expected one of default, dotlock, external, kernel and null\n"},
	{"locking { flags PERTX; }", 0,
	 "1.11-22: applying legacy flag P, use pid-check instead\n"
	 "1.11-22: ignoring legacy flag E, use type external instead\n"
	 "1.11-22: ignoring legacy flag R, use retry-count instead\n"
	 "1.11-22: ignoring legacy flag T, use expire-timeout instead\n"
	 "1.11-22: invalid lock flag `X'\n"},
	{"locking { retry-timeout 2; }", 0, "1.11-26: retry-timeout is deprecated, please use retry-sleep instead\n"},
	{"sql { interface foo; }", 78,
	 "1.7-20: unknown SQL interface `foo'; expected one of mysql, odbc, postgres and sqlite\n"},
	{"sql { password-encryption foo; }", 78,
	 "1.7-30: unrecognized password encryption; expected one of plain, hash, crypt and scrambled\n"},
	{"sql { field-map \"uid=a:b\"; }", 78,
	 "1.7-26: error near b: Parse error; expected NAME=VALUE, in a list or with colons between\n"},
	{"sql { field-map \"foo=b\"; }", 0, "1.7-24: no user record has a field `foo'\n"},
	{"auth { authentication system:foo; }", 1, "1.8-33: no such module: foo; expected " MODULES "\n"},
	{"auth { authentication foo; authorization bar; }", 1,
	 "1.8-26: no such module: foo; expected " MODULES "\n1.28-45: no such module: bar; expected " MODULES "\n"},
	{"auth { authentication foo; } expire x;", 78,
	 "1.8-26: no such module: foo; expected " MODULES "\n"
	 "1.30-38: Invalid argument; expected a number of days from 0 to 4294967295\n"},
	{"auth { authentication system generic; }", 78, "1.8-37: expected string value; it takes " MODULES "\n"},
	{"mailbox { mailbox-type foo; }", 78,
	 "1.11-27: invalid mailbox type: foo; expected one of mbox, maildir, mh and dotmail\n"},
	{"mailbox { autodetect-accuracy foo; }", 78,
	 "1.11-34: conversion failed: Invalid argument; expected one of auto, fast, minimal and default, or a number "
	 "from "
	 "0 to 2147483647\n"},
	{"mailbox { mail-spool \"/a=\"; }", 78,
	 "1.11-27: cannot set mail directory name to `/a=': Badly formed file or directory name; expected a directory "
	 "or a "
	 "mailbox URL\n"},
	{"mailbox { mailbox-pattern \"/x/$(foo bar)\"; }", 78,
	 "1.11-42: cannot expand line `/x/$(foo bar)': foo: unknown function; expected a string, with variables as "
	 "${user}\n"},
	{"mailbox { uidl-format dovecot; }", 78,
	 "1.11-30: required argument missing; expected one of auto, mailutils, dovecot, courier, cyrus, basename and "
	 "md5-header, behind dovecot a \"PATTERN\"\n"},
	{"mailbox { uidl-format dovecot \"%v\"; }", 78,
	 "1.11-35: not a pattern of unique-ids: %v; expected one of auto, mailutils, dovecot, courier, cyrus, basename "
	 "and md5-header, behind dovecot a \"PATTERN\"\n"},
	{"tls { handshake-timeout 10s; }", 78,
	 "1.7-28: Invalid argument; expected a number of seconds from 0 to 86400\n"},
	{"runtime-dir x;", 78, "1.1-14: Invalid argument; expected a directory that begins with /\n"},
	/* only told */
	{"debug { level foo; }", 0, "1.9-18: unknown category: foo\n"},
	{"debug { level auth.foo; }", 0, "1.9-23: unknown level `foo'\n"},
	{"debug { level auth.trace10; }", 0, "1.9-27: invalid level: trace10\n"},
	{"undelete\n#debug=foo\nno;", 0, "2.1-10: unknown category: foo\n"},
	/* include */
	{"include /no/such/file;", 78,
	 "1.1-22: include file or directory does not exist; expected /no/such/file: No such file or directory\n"},
	{"include (a);", 78, "1.1-12: argument to `include' is not a string; expected a file or a directory\n"},
	{"include /;", 0,
	 "1.1-10: ignoring `include': directory argument is allowed only from the top-level configuration file\n"},
	/* servers */
	{"server { }", 78, "1.1-10: expected string value; it takes the address of the server\n"},
	{"server (a, b) { }", 78, "1.1-17: expected string value; it takes the address of the server\n"},
	{"server \"\" { }", 78, "1.1-13: cannot parse URL `': Parse error; expected " ADDRESS "\n"},
	{"server 127.0.0.1:99999 { }", 78,
	 "1.1-26: cannot parse URL `127.0.0.1:99999': Numerical result out of range; expected " ADDRESS "\n"},
	{"server 127.0.0.1:no-such-service { }", 78,
	 "1.1-36: cannot parse URL `127.0.0.1:no-such-service': Invalid port or service specification; "
	 "expected " ADDRESS "\n"},
	{"server /path { }", 78,
	 "1.1-16: cannot create sockaddr for URL `/path': Address family not supported; expected " ADDRESS "\n"},
	{"server ::1 { }", 78,
	 "1.1-14: cannot parse URL `::1': a colon too many, or a bracket that is not closed; expected " ADDRESS "\n"},
	{"server 127.0.0.1 { backlog 0; }", 78, "1.20-29: invalid argument; expected a number from 1 to 2147483647\n"},
	/* access lists */
	{"acl { allow from; }", 78, "1.7-17: not enough arguments; expected " CIDR "\n"},
	{"acl { exec any; }", 78, "1.7-15: not enough arguments; expected " CIDR "\n"},
	{"acl { allow 10.0.0.0/33; }", 78,
	 "1.7-24: invalid source CIDR: the prefix is longer than the address; expected " CIDR "\n"},
	{"acl { allow 10.0.0.0/; }", 78,
	 "1.7-22: invalid source CIDR: the mask is neither a number nor an address; expected " CIDR "\n"},
	{"acl { allow 1.2.3.4 foo; }", 78, "1.7-24: junk after IP address; expected " CIDR "\n"},
	{"acl { allow 10.1/16; }", 78,
	 "1.7-20: invalid source CIDR: an IPv4 address has four decimal numbers; expected " CIDR "\n"},
	{"acl { allow (a, b); }", 78, "1.7-19: unexpected value: a; expected " CIDR "\n"},
};

/* The line as it must be, from the short form of the table. */
static char *long_form(const char *said)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	while (*said) {
		size_t line = strcspn(said, "\n");

		if (*said == '!')
			(void)fprintf(f, "pop3d: %.*s\n", (int)line - 1, said + 1);
		else
			(void)fprintf(f, "pop3d: f.conf:%.*s\n", (int)line, said);
		said += line + 1;
	}
	(void)fclose(f);
	return text;
}

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(errors); i++) {
		struct loaded g = given_text(errors[i].text);
		char *said = long_form(errors[i].said);

		if (strcmp(g.said, said) != 0)
			print_error("said:\n%s", g.said);
		check_row(i, errors[i].text, strcmp(g.said, said) == 0);
		check_row(i, errors[i].text, g.status == errors[i].status);
		check_row(i, errors[i].text, (g.cf == NULL) == (g.status != 0));
		free(said);
		given_free(&g);
	}
}

/* Names that must be found in the error about them: they come from a network (DNS) or not, the place is the same. */
static void test_hosts_that_are_unknown(void **state)
{
	static const char *const texts[] = {"server no-such-host.invalid { }", "acl { allow 999.0.0.0; }"};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(texts); i++) {
		struct loaded g = given_text(texts[i]);

		check_row(i, texts[i], g.status == 78 && strncmp(g.said, "pop3d: f.conf:1.", 16) == 0);
		given_free(&g);
	}
}

static void test_control_characters_are_shown(void **state)
{
	struct loaded g = given_text("port \"a\\n\\ab\";");

	(void)state;
	check(strstr(g.said, "unknown service: a\\012\\007b;") != NULL);
	given_free(&g);
}

static void test_secrets_are_not_shown(void **state)
{
	char password[1501] = "", text[2000];
	struct loaded g;

	(void)state;
	(void)memset(password, 'z', sizeof password - 1);
	(void)snprintf(text, sizeof text, "sql { passwd %s; }", password);
	g = given_text(text);
	check(g.status == 78 && strstr(g.said, "longer than 1024 octets") && !strstr(g.said, "zz"));
	given_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_hosts_that_are_unknown),
		cmocka_unit_test(test_control_characters_are_shown),
		cmocka_unit_test(test_secrets_are_not_shown),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
