/* What a value that is right becomes. What is said about wrong ones: test_errors.c. */
#include "given.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <syslog.h>

#include "conf/kinds.h"

static const struct {
	const char *text;
	bool ok;
	uint64_t seconds;
} times[] = {
	{"", true, 0},
	{"60", true, 60},
	{"60 s", true, 60},
	{"1 hour 30 minutes", true, 5400},
	{"hour", true, 3600},
	{" 1  H \t 2\nM ", true, 3720},
	{"1 m", true, 60},
	{"1 mo", true, 31 * 86400},
	{"1 d 1 w 1 month", true, 86400 + 604800 + 31 * 86400},
	{"second seconds", true, 2},
	{"60s", false, 0},
	{"1 2", false, 0},
	{"-5", false, 0},
	{"1 fortnight", false, 0},
	{"1 hourss", false, 0},
	{"1.5 h", false, 0},
	{"18446744073709551615", true, UINT64_MAX},
	{"18446744073709551616", false, 0},
	{"18446744073709551615 1 s", false, 0},
	{"18446744073709551615 s 1 s", false, 0},
	{"18446744073709551615 h", false, 0},
};

static void test_times(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(times); i++) {
		uint64_t n = 7;
		bool ok = time_parse(slice_str(times[i].text), &n, NULL) == OK;

		check_row(i, times[i].text, ok == times[i].ok);
		check_row(i, times[i].text, n == (ok ? times[i].seconds : 7));
	}
}

/* Facts about a configuration: a text, and what a function finds of it as a text. */
static void show_bools(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d", cf->undelete);
}

static void show_numbers(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%u %u", cf->expire_days, cf->max_children);
}

static void show_checks(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%x", cf->apop_database_safety.bits);
}

static void show_list(const struct conf_list *l, char *dst, size_t cap)
{
	size_t n = (size_t)snprintf(dst, cap, "%s", l->given ? "" : "default ");

	for (size_t i = 0; i < l->n && n < cap; i++)
		n += (size_t)snprintf(dst + n, cap - n, "%s%s", i ? ":" : "", l->item[i]);
}

static void show_authorization(const struct conf *cf, char *dst, size_t cap)
{
	show_list(&cf->auth.authorization, dst, cap);
}

static void show_map(const struct conf *cf, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < cf->ldap.field_map.n && n < cap; i++)
		n += (size_t)snprintf(dst + n, cap - n, "%s>%s ", cf->ldap.field_map.pair[i].name,
				      cf->ldap.field_map.pair[i].value);
}

static void show_pattern(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%s", cf->mailbox.pattern);
}

static void show_uidl(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%s %s", cf->mailbox.uidl_format,
		       cf->mailbox.uidl_pattern ? cf->mailbox.uidl_pattern : "-");
}

static void show_bulletins(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d %lld", (int)cf->bulletin_new_user.which, (long long)cf->bulletin_new_user.since);
}

static void show_logging(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d %d", cf->logging.facility >> 3, cf->logging.severity);
}

static void show_tls(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d", (int)cf->tls_mode);
	if (cf->nservers > 0)
		(void)snprintf(dst, cap, "%d %d %s %u", (int)cf->tls_mode, (int)cf->servers[0].tls_mode,
			       cf->servers[0].tls.certificate_file ? cf->servers[0].tls.certificate_file : "-",
			       cf->servers[0].tls.handshake_timeout_s);
}

static void show_switches(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "ldap %d locking %d wrappers %d %s", cf->ldap.enable, cf->mandatory_locking.enable,
		       cf->tcp_wrappers.enable && cf->tcp_wrappers.given, cf->tcp_wrappers.daemon);
}

static void show_accuracy(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d", cf->mailbox.autodetect_accuracy);
}

static void show_debug(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%x %x", cf->debug.level.levels[2], cf->debug.level.levels[25]);
}

static void show_owner(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%d %u", cf->apop_database_owner.given, (unsigned)cf->apop_database_owner.uid);
}

static void show_secret(const struct conf *cf, char *dst, size_t cap)
{
	(void)snprintf(dst, cap, "%.*s", (int)cf->sql.passwd.n, cf->sql.passwd.octets);
}

/* Port, timeout, backlog, transcript of each server. */
static void show_servers(const struct conf *cf, char *dst, size_t cap)
{
	size_t n = 0;

	dst[0] = '\0';
	for (size_t i = 0; i < cf->nservers && n < cap; i++) {
		const struct conf_server *sv = &cf->servers[i];

		n += (size_t)snprintf(dst + n, cap - n, "%u %llu %u %d;",
				      ntohs(((const struct sockaddr_in *)&sv->addr)->sin_port),
				      (unsigned long long)sv->timeout.n, sv->backlog, sv->transcript);
	}
}

static const struct {
	void (*show)(const struct conf *cf, char *dst, size_t cap);
	const char *text, *is;
} values[] = {
	{show_bools, "undelete yes;", "1"},
	{show_bools, "undelete on;", "1"},
	{show_bools, "undelete t;", "1"},
	{show_bools, "undelete true;", "1"},
	{show_bools, "undelete 1;", "1"},
	{show_bools, "undelete yes; undelete no;", "0"},
	{show_bools, "undelete yes; undelete off;", "0"},
	{show_bools, "undelete yes; undelete nil;", "0"},
	{show_bools, "undelete yes; undelete false;", "0"},
	{show_bools, "undelete yes; undelete 0;", "0"},
	{show_numbers, "", "4294967295 4294967295"},
	{show_numbers, "expire 010; max-children \"+5\";", "10 5"},
	{show_numbers, "expire 0; max-children 0;", "0 0"},
	{show_numbers, "expire 1; max-children 4294967295; expire 2;", "2 4294967295"},
	{show_checks, "", "ff"},
	{show_checks, "apop-database-safety none;", "0"},
	{show_checks, "apop-database-safety (none, gwrfil, linkwrdir);", "11"},
	{show_checks, "apop-database-safety (\"-grdfil\", -ardfil);", "f3"},
	{show_checks, "apop-database-safety -all;", "0"},
	{show_checks, "apop-database-safety (none, \"+awrfil\");", "2"},
	{show_checks, "apop-database-safety (none, -none);", "ff"},
	{show_checks, "apop-database-safety none awrfil;", "2"},
	{show_authorization, "", "default generic:system:pam:sql:virtdomain:radius:ldap"},
	{show_authorization, "auth { authorization system; }", "system"},
	{show_authorization, "auth { authorization system:pam; authorization sql; }", "system:pam:sql"},
	{show_authorization, "auth { authorization (system, sql); }", "system:sql"},
	{show_authorization, "auth { authorization system; authorization clear:pam; }", "pam"},
	{show_authorization, "auth { authorization virtual:virtdomains; }", "virtdomain:virtdomain"},
	{show_authorization, "auth { authorization clear; }", "default generic:system:pam:sql:virtdomain:radius:ldap"},
	{show_authorization, "auth { authentication pam; }", "default generic:system:pam:sql:virtdomain:radius:ldap"},
	{show_map, "ldap { field-map (name=a, uid=b, name=c); }", "name>c uid>b "},
	{show_map, "ldap { field-map \"name=a:uid=b=c\"; }", "name>a uid>b=c "},
	{show_pattern, "mailbox { mail-spool /var/spool/mail; }", "/var/spool/mail/${user}"},
	{show_pattern, "mailbox { mail-spool /var/spool/mail/; }", "/var/spool/mail/${user}"},
	{show_pattern, "mailbox { mail-spool \"maildir:/d;type=index;param=2;user=\"; }",
	 "maildir:/d;type=index;param=2;user=${user}"},
	{show_pattern, "mailbox { mailbox-pattern \"/a/${user}\"; mail-spool /b; }", "/b/${user}"},
	{show_pattern, "mailbox { mail-spool /b; mailbox-pattern \"/a/${user}\"; }", "/a/${user}"},
	{show_uidl, "", "auto -"},
	{show_uidl, "mailbox { uidl-format dovecot \"%08Xu%08Xv\"; }", "dovecot %08Xu%08Xv"},
	{show_uidl, "mailbox { uidl-format dovecot \"%f\"; uidl-format courier; }", "courier -"},
	{show_bulletins, "bulletin-new-user since 1970-01-02;", "2 86400"},
	{show_bulletins, "bulletin-new-user since \"2026-01-31\"; bulletin-new-user none;", "1 0"},
	{show_logging, "logging { facility LOG_LOCAL3; severity crit; }", "19 2"},
	{show_logging, "logging { facility Mail; }", "2 7"},
	{show_logging, "logging { facility 16; severity emerg; }", "16 0"},
	{show_tls, "", "1"},
	{show_tls, "tls-mode stls;", "2"},
	{show_tls, "tls-mode yes;", "4"},
	{show_tls, "tls { ssl-certificate-file /c; }", "2"},
	{show_tls, "tls { ssl-certificate-file /c; } tls-mode no;", "1"},
	{show_tls, "server 127.0.0.1 {} tls { ssl-certificate-file /c; handshake-timeout 3; } tls-mode required;",
	 "3 3 /c 3"},
	{show_tls, "tls { ssl-certificate-file /c; } server 127.0.0.1 { tls { handshake-timeout 5; } }", "2 1 - 5"},
	{show_tls, "server 127.0.0.1 { tls { ssl-certificate-file /c; } }", "1 2 /c 10"},
	{show_tls, "server 127.0.0.1 { tls-mode connection; }", "1 4 - 10"},
	{show_switches, "", "ldap 0 locking 0 wrappers 0 pop3d"},
	{show_switches, "ldap { } mandatory-locking { } tcp-wrappers { daemon x; }", "ldap 1 locking 1 wrappers 1 x"},
	{show_switches, "ldap { enable no; } mandatory-locking { enable no; } tcp-wrappers { enable no; }",
	 "ldap 0 locking 0 wrappers 0 pop3d"},
	{show_accuracy, "", "99"},
	{show_accuracy, "mailbox { autodetect-accuracy fast; }", "0"},
	{show_accuracy, "mailbox { autodetect-accuracy 3; }", "3"},
	{show_debug, "debug { level auth; }", "fff 0"},
	{show_debug, "debug { level \"auth.trace2;acl.=trace1\"; }", "f 4"},
	{show_debug, "debug { level \"auth.error,trace3-trace5,!=trace4\"; }", "51 0"},
	{show_debug, "debug { level \"auth.trace5,!trace4\"; }", "40 0"},
	{show_debug, "debug { level \"all; !acl\"; }", "fff 0"},
	{show_debug, "#debug=acl.error\ndebug { level \"nonsense;auth.error\"; }", "1 1"},
	{show_owner, "apop-database-owner daemon;", "1 1"},
	{show_owner, "apop-database-owner 4711;", "1 4711"},
	{show_secret, "sql { passwd \"s;e\\\"c\"; }", "s;e\"c"},
	{show_servers, "server 127.0.0.1 {} server 127.0.0.2:995 { timeout \"1 h\"; backlog 9; transcript yes; }",
	 "110 600 512 0;995 3600 9 1;"},
	{show_servers, "server 127.0.0.1 {} timeout 5; port 1110; transcript yes;", "1110 5 512 1;"},
	{show_servers, "server 127.0.0.1 { timeout 0; transcript no; } timeout 5; port pop3s; transcript yes;",
	 "995 0 512 0;"},
};

static void test_values(void **state)
{
	(void)state;
	check(unsetenv("MU_AUTODETECT_ACCURACY") == 0);
	for (size_t i = 0; i < TABLE_ROWS(values); i++) {
		struct loaded g = given_text(values[i].text);
		char is[512];

		check_row(i, values[i].text, g.status == 0);
		values[i].show(g.cf, is, sizeof is);
		if (strcmp(is, values[i].is) != 0)
			print_error("it is: %s\n", is);
		check_row(i, values[i].text, strcmp(is, values[i].is) == 0);
		given_free(&g);
	}
}

static void test_accuracy_from_the_environment(void **state)
{
	static const struct {
		const char *word, *text;
		int accuracy;
		bool warned;
	} rows[] = {
		{"fast", "", ACCURACY_FAST, false},
		{"5", "", 5, false},
		{"nonsense", "", ACCURACY_DEFAULT, true},
		{"fast", "mailbox { autodetect-accuracy minimal; }", ACCURACY_MINIMAL, false},
	};

	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(rows); i++) {
		check(setenv("MU_AUTODETECT_ACCURACY", rows[i].word, 1) == 0);
		struct loaded g = given_text(rows[i].text);

		check_row(i, rows[i].word, g.status == 0 && g.cf->mailbox.autodetect_accuracy == rows[i].accuracy);
		check_row(i, rows[i].word, (*g.said != '\0') == rows[i].warned);
		given_free(&g);
	}
	check(unsetenv("MU_AUTODETECT_ACCURACY") == 0);
}

static const char *server_text(const struct conf_server *sv, char *dst, size_t cap)
{
	char host[INET6_ADDRSTRLEN];
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&sv->addr;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&sv->addr;

	if (sv->addr.ss_family == AF_INET)
		(void)snprintf(dst, cap, "%s:%u", inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host),
			       ntohs(v4->sin_port));
	else if (sv->addr.ss_family == AF_INET6)
		(void)snprintf(dst, cap, "[%s]:%u", inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host),
			       ntohs(v6->sin6_port));
	else
		(void)snprintf(dst, cap, "%s", ((const struct sockaddr_un *)&sv->addr)->sun_path);
	return dst;
}

/* NULL: refused. */
static const struct {
	const char *label, *address;
} labels[] = {
	{"127.0.0.1", "127.0.0.1:110"},
	{"127.0.0.1:1110", "127.0.0.1:1110"},
	{"127.0.0.1:pop3s", "127.0.0.1:995"},
	{"127.0.0.1:0", "127.0.0.1:0"},
	{"0.0.0.0", "0.0.0.0:110"},
	{"*", "0.0.0.0:110"},
	{":995", "0.0.0.0:995"},
	{"11012", "0.0.43.4:110"},
	{"[::1]", "[::1]:110"},
	{"[::]:995", "[::]:995"},
	{"inet://127.0.0.1:995", "127.0.0.1:995"},
	{"inet6://[::1]:995", "[::1]:995"},
	{"inet6://*", "[::]:110"},
	{"unix:///run/x", "/run/x"},
	{"127.0.0.1:995;foo=bar", "127.0.0.1:995"},
	{"::1", NULL},
	{"[::1", NULL},
	{"[::1]995", NULL},
	{"[127.0.0.1]", NULL},
	{"inet://[::1]", NULL},
	{"[]", NULL},
	{"127.0.0.1:", NULL},
	{"127.0.0.1:65536", NULL},
	{"127.0.0.1:-1", NULL},
	{"/path", NULL},
	{"file:///path", NULL},
	{"socket:///path", NULL},
	{"unix://path", NULL},
	{"unix:///"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 NULL},
	{"", NULL},
};

static void test_server_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(labels); i++) {
		char text[256], address[256];

		(void)snprintf(text, sizeof text, "server \"%s\" { }", labels[i].label);
		struct loaded g = given_text(text);

		check_row(i, text, (g.status == 0) == (labels[i].address != NULL));
		check_row(i, text,
			  g.status != 0 || strcmp(server_text(&g.cf->servers[0], address, sizeof address),
						  labels[i].address) == 0);
		given_free(&g);
	}
}

/* Daemon mode without a server listens at both wildcard addresses; inetd mode does not listen. */
static void test_servers_when_none_is_given(void **state)
{
	char text[256];
	struct loaded g = given_text("mode daemon; port 1110; timeout 7; expire 0;");

	(void)state;
	check(conf_finish(g.cf) == 0 && g.cf->nservers == 2 && g.cf->delete_expired);
	check(strcmp(server_text(&g.cf->servers[0], text, sizeof text), "0.0.0.0:1110") == 0);
	check(strcmp(server_text(&g.cf->servers[1], text, sizeof text), "[::]:1110") == 0);
	check(g.cf->servers[1].timeout.n == 7 && g.cf->servers[1].backlog == 512);
	given_free(&g);
	g = given_text("mode inetd; timeout 7; max-children 5; server 127.0.0.1 { timeout 8; } server 127.0.0.2 { }");
	check(conf_finish(g.cf) == 0 && g.cf->nservers == 1 && g.cf->max_children == 0);
	check(strcmp(g.cf->servers[0].label, "<inetd>") == 0 && g.cf->servers[0].timeout.n == 7);
	given_free(&g);
	g = given_text("mode daemon; server 127.0.0.1 { }");
	check(conf_finish(g.cf) == 0 && g.cf->nservers == 1);
	given_free(&g);
}

/* An access list as "ACTION ADDRESS/MASK TEXT <WORD>..." lines. */
static char *acl_text(const struct conf_acl *acl)
{
	static const char *const action[] = {"allow", "deny", "log", "exec", "ifexec"};
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	for (size_t i = 0; i < acl->n; i++) {
		const struct conf_acl_rule *r = &acl->rule[i];
		char address[INET6_ADDRSTRLEN] = "any", mask[INET6_ADDRSTRLEN] = "";

		if (r->family != AF_UNSPEC) {
			(void)inet_ntop(r->family, r->address, address, sizeof address);
			(void)inet_ntop(r->family, r->mask, mask, sizeof mask);
		}
		(void)fprintf(f, "%s %s/%s %s", action[r->action], address, mask, r->text ? r->text : "-");
		for (size_t w = 0; w < r->words; w++)
			(void)fprintf(f, "%s<%s>", w == 0 ? " " : "", r->word[w]);
		(void)fprintf(f, "|");
	}
	(void)fclose(f);
	return text;
}

static const struct {
	const char *rules, *is;
} acls[] = {
	{"", ""},
	{"allow any;", "allow any/ -|"},
	{"deny from any;", "deny any/ -|"},
	{"allow 10.1.2.3;", "allow 10.1.2.3/255.255.255.255 -|"},
	{"allow from 10.1.2.3/8;", "allow 10.0.0.0/255.0.0.0 -|"},
	{"allow 10.1.2.3/13;", "allow 10.0.0.0/255.248.0.0 -|"},
	{"allow 10.1.2.3/0;", "allow 0.0.0.0/0.0.0.0 -|"},
	{"allow 10.1.2.3/255.255.0.0;", "allow 10.1.0.0/255.255.0.0 -|"},
	{"allow \"2001:db8::1\";", "allow 2001:db8::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff -|"},
	{"allow 2001:db8::1/33;", "allow 2001:db8::/ffff:ffff:8000:: -|"},
	{"log any; log from any \"a b\" c;", "log any/ -|log any/ a b c|"},
	{"exec any \"/bin/sh ${address}\" y;", "exec any/ /bin/sh ${address} y </bin/sh><${address}><y>|"},
	{"ifexec from any /bin/sh;", "ifexec any/ /bin/sh </bin/sh>|"},
	{"exec any /bin/sh y \"a  b\" z \"'c d' ' '\";",
	 "exec any/ /bin/sh y a  b z 'c d' ' ' </bin/sh><y><a><b><z><c d>< >|"},
	{"allow ::ffff:10.1.2.3;", "allow 10.1.2.3/255.255.255.255 -|"},
	{"allow ::ffff:10.1.2.3/112;", "allow 10.1.0.0/255.255.0.0 -|"},
	{"allow ::ffff:10.1.2.3/80;", "allow ::/ffff:ffff:ffff:ffff:ffff:: -|"},
	{"allow 2001:db8::1/ffff::;", "allow 2001::/ffff:: -|"},
};

static void test_access_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(acls); i++) {
		char text[256];

		(void)snprintf(text, sizeof text, "acl { %s } server 127.0.0.1 { acl { %s } }", acls[i].rules,
			       acls[i].rules);
		struct loaded g = given_text(text);

		check_row(i, text, g.status == 0 && g.cf->acl.given && g.cf->servers[0].acl.given);
		char *global = acl_text(&g.cf->acl), *server = acl_text(&g.cf->servers[0].acl);

		check_row(i, text, strcmp(global, acls[i].is) == 0 && strcmp(server, acls[i].is) == 0);
		free(global);
		free(server);
		given_free(&g);
	}
}

/* A second list adds to the first; a host stands for its addresses. */
static void test_access_lists_add(void **state)
{
	struct loaded g = given_text("acl { deny 10.0.0.1; } acl { allow any; }");
	char *text = acl_text(&g.cf->acl);

	(void)state;
	check(strcmp(text, "deny 10.0.0.1/255.255.255.255 -|allow any/ -|") == 0);
	free(text);
	given_free(&g);
	g = given_text("acl { allow localhost; }");
	check(g.status == 0 && g.cf->acl.n >= 1);
	text = acl_text(&g.cf->acl);
	check(strstr(text, "allow 127.0.0.1/255.255.255.255 -|") || strstr(text, "allow ::1/"));
	free(text);
	given_free(&g);
}

static void test_secrets_are_wiped(void **state)
{
	struct loaded g = given_text("sql { passwd aa; } ldap { passwd bb; } radius { secret cc; }");

	(void)state;
	check(g.cf->sql.passwd.n == 2 && g.cf->ldap.passwd.n == 2 && g.cf->radius.secret.n == 2);
	conf_wipe_secrets(g.cf, NULL);
	check(g.cf->sql.passwd.n == 0 && g.cf->ldap.passwd.n == 0 && g.cf->radius.secret.n == 0);
	check(g.cf->sql.passwd.octets[0] == 0 && g.cf->radius.secret.octets[1] == 0);
	given_free(&g);
}

/* What the daemon says at start about statements that may not be meant: "PATH LINE" each. */
static const struct {
	const char *text, *notices;
} notices[] = {
	{"", ""},
	{"timeout 7;\nldap { debug 1; }", ""},
	{"undelete no; login-delay 0; delete-expired nil; tls-mode no; stat-file /var/run/pop3-login;", ""},
	{"login-delay 5;", ""},
	{"pam { service x; }", ""},
	{"tls { ssl-certificate-file /c; } tls-mode required;", ""},
	{"server 127.0.0.1 {\n tls-mode stls; transcript yes;\n acl { deny any; } }", ""},
	{"acl { }", "acl 0 "},
	{"acl { log any; exec any /bin/sh; allow 10.0.0.0/8;\n deny 2001:db8::/32; }", "acl 2 "},
	{"acl { deny 10.0.0.0/8; allow 0.0.0.0/0; } server 127.0.0.1 { acl { ifexec any /bin/sh; } }", "acl 1 "},
	{"acl { allow 0.0.0.0/0; deny ::/0; }", ""},
	{"acl { allow any; } server 127.0.0.1 {\n acl { allow 127.0.0.1; } }", "server.acl 2 "},
	{"tcp-wrappers { }", ""},
	{"tcp-wrappers { enable no; deny-table /x; }", ""},
	{"mandatory-locking { enable no; lock-directory /x; }", ""},
	{"ldap { enable no; url x; }", ""},
	{"mailbox { folder x; } locking { flags P; }", ""},
};

static void test_notices(void **state)
{
	(void)state;
	for (size_t i = 0; i < TABLE_ROWS(notices); i++) {
		struct loaded g = given_text(notices[i].text);
		char text[512] = "";
		size_t n, at = 0;
		const struct conf_notice *notice = conf_notices(g.cf, &n);

		for (size_t j = 0; j < n; j++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%s %u ", notice[j].statement,
					       notice[j].line);
		if (strcmp(text, notices[i].notices) != 0)
			print_error("it is: %s\n", text);
		check_row(i, notices[i].text, strcmp(text, notices[i].notices) == 0);
		given_free(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_accuracy_from_the_environment),
		cmocka_unit_test(test_server_addresses),
		cmocka_unit_test(test_servers_when_none_is_given),
		cmocka_unit_test(test_access_lists),
		cmocka_unit_test(test_access_lists_add),
		cmocka_unit_test(test_secrets_are_wiped),
		cmocka_unit_test(test_notices),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
