/* tools/popctl.c - what an administrator does to maildrops and daemon. The manual is docs/popctl.8 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "tools/popctl.h"

enum { SETS_MOST = 64, GO_ON = -1 };

static const struct command {
	const char *name, *words, *help;
	int (*run)(struct conf *cf, int argc, char **argv);
} commands[] = {
	{"auth", "test [--password-stdin] [--uid] USER", "Says who USER is, and whether he would be let in.",
	 auth_command},
	{"penalties", "[--pid PID] [--user USER] [--address ADDRESS] [--clear]",
	 "Says how many wrong passwords were counted, and forgets them.", penalties_command},
	{"uidl", "list|export|import ... MAILBOX", "Shows, saves or takes over unique-ids; \"popctl uidl\" says more.",
	 uidl_command},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(void)
{
	(void)fputs("usage: popctl [--config-file FILE] [--set PATH=VALUE] COMMAND ...; commands:", stderr);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(stderr, " %s", commands[i].name);
	(void)fputs("; see popctl --help, popctl(8)\n", stderr);
	return EX_USAGE;
}

static int help(void)
{
	puts("Usage: popctl [--config-file FILE] [--set PATH=VALUE] COMMAND ...\n"
	     "       popctl --help | --version\n"
	     "Looks after maildrops and users of pop3d, as its configuration names them; see popctl(8).\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %s %s\n      %s\n", commands[i].name, commands[i].words, commands[i].help);
	return EX_OK;
}

static int version(void)
{
	puts("popctl (Poplar) " POPLAR_VERSION);
	return EX_OK;
}

/* As pop3d reads it. GO_ON, or the exit status. */
static int take_options(int argc, char **argv, struct conf_source *source, const char *set[static SETS_MOST])
{
	static const struct option options[] = {{"config-file", required_argument, NULL, 'c'},
						{"set", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},
						{"version", no_argument, NULL, 'V'},
						{NULL, 0, NULL, 0}};
	int c;

	source->set = set;
	while ((c = getopt_long(argc, argv, "+V", options, NULL)) != -1)
		if (c == 'c')
			source->config_file = optarg;
		else if (c == 's' && source->nset < SETS_MOST)
			set[source->nset++] = optarg;
		else
			return c == 'h' ? help() : c == 'V' ? version() : usage();
	return GO_ON;
}

static const struct command *command_named(const char *name)
{
	for (size_t i = 0; name && i < COMMANDS; i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	struct conf_source source = {.program = "pop3d", .site_file = "/etc/mailutils.conf"};
	const char *set[SETS_MOST];
	struct conf *cf;

	int status = take_options(argc, argv, &source, set);

	if (status != GO_ON)
		return status;
	int first = optind;
	const struct command *command = command_named(argv[first]);

	if (!command)
		return usage();
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	status = conf_load(&source, &cf);

	if (status != 0)
		return status;
	status = command->run(cf, argc - first, argv + first);
	conf_free(cf);
	return status;
}
