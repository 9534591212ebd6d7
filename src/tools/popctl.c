/* tools/popctl.c - what an administrator does to maildrops and daemon. The manual is docs/popctl.8 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/crypto.h>

#include "base/log.h"
#include "tools/popctl.h"

enum { SETS_MOST = 64 };

static const struct command {
	const char *name;
	int (*run)(struct conf *cf, int argc, char **argv);
} commands[] = {{"auth", auth_command}, {"penalties", penalties_command}, {"uidl", uidl_command}};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int usage(void)
{
	(void)fputs("usage: popctl [--config-file FILE] [--set PATH=VALUE] COMMAND ...; commands:", stderr);
	for (size_t i = 0; i < COMMANDS; i++)
		(void)fprintf(stderr, " %s", commands[i].name);
	(void)fputs("; see popctl(8)\n", stderr);
	return EX_USAGE;
}

/* As pop3d reads it. */
static bool take_options(int argc, char **argv, struct conf_source *source, const char *set[static SETS_MOST])
{
	static const struct option options[] = {{"config-file", required_argument, NULL, 'c'},
						{"set", required_argument, NULL, 's'},
						{NULL, 0, NULL, 0}};
	int c;

	source->set = set;
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (c == 'c')
			source->config_file = optarg;
		else if (c == 's' && source->nset < SETS_MOST)
			set[source->nset++] = optarg;
		else
			return false;
	return true;
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

	if (!take_options(argc, argv, &source, set))
		return usage();
	int first = optind;
	const struct command *command = command_named(argv[first]);

	if (!command)
		return usage();
	OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	int status = conf_load(&source, &cf);

	if (status != 0)
		return status;
	status = command->run(cf, argc - first, argv + first);
	conf_free(cf);
	return status;
}
