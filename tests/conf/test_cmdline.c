/* The command line: what each option does, what wins, and with which status it ends. */
#include "given.h"

#include <sys/wait.h>
#include <syslog.h>

#include "conf/cmdline.h"

enum { ARGS_MOST = 8 };

/* The command line in a process of its own, since --help ends it; what it writes to both streams, and its status. */
static int run(const char *const args[ARGS_MOST], char **said)
{
	char *argv[ARGS_MOST + 2] = {(char *)"/usr/sbin/pop3d"};
	int argc = 1, status, ends[2];
	size_t have = 0;
	ssize_t n;

	for (; args[argc - 1]; argc++)
		argv[argc] = (char *)args[argc - 1];
	check(pipe(ends) == 0);
	(void)fflush(NULL);
	pid_t pid = fork();

	if (pid == 0) {
		struct cmdline cl;
		struct conf *cf;

		(void)dup2(ends[1], STDOUT_FILENO);
		(void)dup2(ends[1], STDERR_FILENO);
		status = cmdline_parse(&cl, argc, argv);
		if (status == CMDLINE_GO)
			status = cmdline_load(&cl, &cf);
		if (status == CMDLINE_GO) {
			(void)printf("mode %d foreground %d children %u facility %d line-info %d acl %x expire %u "
				     "servers %zu",
				     (int)cf->mode, cf->foreground, cf->max_children, cf->logging.facility >> 3,
				     cf->debug.line_info, cf->debug.level.levels[25], cf->expire_days, cf->nservers);
			conf_free(cf);
			status = 0;
		}
		exit(status);
	}
	(void)close(ends[1]);
	*said = calloc(1, 100001);
	while ((n = read(ends[0], *said + have, 100000 - have)) > 0)
		have += (size_t)n;
	(void)close(ends[0]);
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* `said` is in what is written. Without another status, the configuration is shown as above. */
static const struct {
	const char *args[ARGS_MOST];
	int status;
	const char *said;
} lines[] = {
	{{NULL}, 0, "mode 0 foreground 0 children 0 facility 2 line-info 0 acl 7 expire 3 servers 1"},
	/* modes */
	{{"-d"}, 0, "mode 1 foreground 0 children 7 "},
	{{"--daemon"}, 0, "mode 1 foreground 0 children 7 "},
	{{"-d5"}, 0, "mode 1 foreground 0 children 5 "},
	{{"--daemon=0"}, 0, "mode 1 foreground 0 children 0 "},
	{{"-d5", "-i"}, 0, "mode 0 "},
	{{"-i", "-d"}, 0, "mode 1 "},
	{{"--inetd"}, 0, "mode 0 "},
	{{"--no-inetd"}, 0, "mode 1 "},
	{{"--set", "mode=daemon"}, 0, "mode 1 foreground 0 children 7 facility 2 line-info 0 acl 7 expire 3 servers 2"},
	{{"--set", "mode=daemon", "-i"}, 0, "mode 0 "},
	{{"-dx"}, 64, "pop3d: x: bad argument\n"},
	{{"-d", "5"}, 64, "pop3d: too many arguments\n"},
	{{"--daemon=5k"}, 64, "pop3d: 5k: bad argument\n"},
	{{"operand"}, 64, "pop3d: too many arguments\n"},
	{{"--foreground"}, 0, "foreground 1"},
	{{"--foreground", "--no-foreground"}, 0, "foreground 0"},
	{{"--set=foreground=yes"}, 0, "foreground 1"},
	{{"--no-foreground", "--set=foreground=yes"}, 0, "foreground 0"},
	{{"-id3"}, 0, "mode 1 foreground 0 children 3 "},
	/* debugging */
	{{"--debug-level=acl.trace0"}, 0, "acl 3 "},
	{{"--debug-level", "mailbox"}, 0, "acl 0 "},
	{{"--debug-level=foo"}, 0, "pop3d: unknown category: foo\n"},
	{{"--debug-level="}, 64, "pop3d: option '--debug-level' requires an argument\n"},
	{{"--debug-line-info"}, 0, "line-info 1 "},
	{{"--debug-line-info", "--no-debug-line-info"}, 0, "line-info 0 "},
	{{"--log-facility=local3"}, 0, "facility 19 "},
	{{"--log-facility=LOG_AUTH", "--set=logging.facility=cron"}, 0, "facility 4 "},
	{{"--log-facility=foo"}, 0, "pop3d: unknown syslog facility `foo'\n"},
	/* files */
	{{"--no-config"}, 0, "expire 4294967295"},
	{{"--no-site-config"}, 0, "expire 4294967295"},
	{{"--config-file=other.conf"}, 0, "expire 4 "},
	{{"--config-file=nowhere", "--config-file", "other.conf"}, 0, "expire 4 "},
	{{"--config-file", "nowhere"}, 78, "pop3d: errors parsing file nowhere: No such file or directory\n"},
	{{"--config-file=bad.conf"}, 78, "pop3d: bad.conf:1.1-8: unknown keyword `expir'"},
	{{"--set", ".expire=5"}, 0, "expire 5 "},
	{{"--set", "expire=5", "--set", "expire=6"}, 0, "expire 6 "},
	{{"--set", "expir=5"}, 78, "pop3d: unknown keyword `expir'"},
	{{"--config-verbose"}, 0, "pop3d: opening configuration file site.conf\n"},
	{{"--config-verbose", "--config-verbose"}, 0, "# 1 \"site.conf\"\nmax-children 7;\n"},
	{{"--config-lint"}, 0, "pop3d: finished parsing file `site.conf'\n"},
	{{"--config-lint", "--config-file=bad.conf"}, 78, "unknown keyword `expir'"},
	{{"--config-lint", "--set=ldap.debug=1"}, 0, ""},
	{{"--config-lint", "--set=auth.authorization=x"}, 1, "pop3d: no such module: x;"},
	/* the program's name */
	{{"--program-name=imap4d"}, 0, "expire 8 "},
	{{"--program-name=imap4d", "--set=x=1"}, 78, "imap4d: unknown keyword `x'"},
	/* what is only shown */
	{{"--help"}, 0, "--config-lint"},
	{{"-?"}, 0, "--show-config-options"},
	{{"--usage"}, 0, "[-d[NUMBER]]"},
	{{"--version"}, 0, "pop3d (Poplar) "},
	{{"-V"}, 0, "pop3d (Poplar) "},
	{{"--vers"}, 0, "pop3d (Poplar) "},
	{{"--config-help"}, 0, "\nmax-children <number: number>;\n"},
	{{"--show-config-options"}, 0, "SYSCONFDIR=/etc \t- System configuration directory\n"},
	{{"--show-config-options"}, 0, "\nIPV6 \t- IPv6 support\n"},
	{{"--show"}, 0, "MAILSPOOLDIR=/var/mail \t"},
	/* what there is not */
	{{"--config"}, 64, "pop3d: option '--config' is ambiguous; possibilities:"},
	{{"--no-such-option"}, 64, "pop3d: unrecognized option '--no-such-option'"},
	{{"-x"}, 64, "pop3d: invalid option -- 'x'"},
	{{"--config-file"}, 64, "pop3d: option '--config-file' requires an argument"},
	{{"--foreground=x"}, 64, "pop3d: option '--foreground' doesn't allow an argument"},
};

static void test_lines(void **state)
{
	(void)state;
	given_file("site.conf", "max-children 7; expire 3; debug { level acl.trace1; } program imap4d { expire 8; }");
	given_file("other.conf", "expire 4;");
	given_file("bad.conf", "expir 4;");
	check(setenv("MU_SITE_CONFIG_FILE", "site.conf", 1) == 0);
	for (size_t i = 0; i < TABLE_ROWS(lines); i++) {
		char *said;
		int status = run(lines[i].args, &said);

		if (status != lines[i].status || !strstr(said, lines[i].said))
			print_error("%s: status %d, said: %s\n", lines[i].args[0], status, said);
		check_row(i, lines[i].said, status == lines[i].status);
		check_row(i, lines[i].said, strstr(said, lines[i].said) != NULL);
		free(said);
	}
}

/* Every line is one of the two forms that scripts read. */
static void test_show_config_options(void **state)
{
	static const char *const args[ARGS_MOST] = {"--show-config-options"};
	char *said, *rest, *line;
	int status = run(args, &said);

	(void)state;
	check(status == 0);
	rest = said;
	while ((line = strsep(&rest, "\n")) && *line) {
		size_t name = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

		check_row(0, line, name > 0 && (line[name] == '=' || line[name] == ' ') && strstr(line, " \t- "));
	}
	free(said);
}

static void test_too_many_sets(void **state)
{
	char *argv[CMDLINE_SETS_MOST + 3] = {(char *)"pop3d"};
	struct cmdline cl;
	int argc = 1;

	(void)state;
	while (argc <= CMDLINE_SETS_MOST)
		argv[argc++] = (char *)"--set=expire=1";
	check(cmdline_parse(&cl, argc, argv) == CMDLINE_GO && cl.source.nset == CMDLINE_SETS_MOST);
	argv[argc++] = (char *)"--set=expire=1";
	check(cmdline_parse(&cl, argc, argv) == 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_show_config_options),
		cmocka_unit_test(test_too_many_sets),
	};

	return cmocka_run_group_tests(tests, given_begin, given_end);
}
