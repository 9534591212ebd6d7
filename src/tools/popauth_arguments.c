/* tools/popauth_arguments.c - the command line of popauth, as Mailutils has it */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "tools/popauth.h"

enum { OPT_COMPATIBILITY = 256 };

static const struct argp_option options[] = {
	{0, 0, 0, 0, "Actions are:", 1},
	{"add", 'a', 0, 0, "add a user", 0},
	{"create", 'c', 0, 0, "make a database from a text file", 0},
	{"delete", 'd', 0, 0, "delete a user's record", 0},
	{"list", 'l', 0, 0, "list the contents of a database", 0},
	{"modify", 'm', 0, 0, "change a user's password", 0},
	{0, 0, 0, 0, "Options are:", 2},
	{"file", 'f', "FILE", 0,
	 "the database, " APOP_DATABASE " by default; with --create the text file, standard input by default", 0},
	{"output", 'o', "FILE", 0, "with --create the database, " APOP_DATABASE " by default; with --list a text file",
	 0},
	{"password", 'p', "STRING", 0, "the user's password", 0},
	{"user", 'u', "USERNAME", 0, "the user's name", 0},
	{"permissions", 'P', "PERM", 0,
	 "permissions of a database that is made, in octal; more than 600 are allowed then", 0},
	{"compatibility", OPT_COMPATIBILITY, 0, 0, "a colon behind names in text files", 0},
	{"version", 'V', 0, 0, "print the version, the formats of databases and the name of the default one", -1},
	{0},
};

static void print_version(void)
{
	char schemes[128];

	dbm_schemes(schemes, sizeof schemes);
	(void)printf("popauth (Poplar " POPLAR_VERSION ")\nDatabase formats: %s\nDatabase location: " APOP_DATABASE
		     "\n",
		     schemes);
	exit(EX_OK);
}

static void set_action(struct request *r, int key)
{
	if (r->action) {
		(void)fputs("popauth: You may not specify more than one `-aldp' option\n", stderr);
		exit(EX_FAILED);
	}
	r->action = (char)key;
}

static void set_mode(struct request *r, const char *text)
{
	char *end;
	unsigned long mode = strtoul(text, &end, 8);

	if (text[0] < '0' || text[0] > '7' || *end || mode > 0777) {
		(void)fprintf(stderr, "popauth: invalid octal number: %s\n", text);
		exit(EX_USAGE);
	}
	r->mode = (mode_t)mode;
}

/* Whoever lists processes saw it for a moment; from here on he does not. */
static void set_password(struct request *r, char *text)
{
	r->password_given = true;
	if (!secret_set(&r->password, slice_str(text))) {
		(void)fputs("popauth: the password is too long\n", stderr);
		exit(EX_FAILED);
	}
	explicit_bzero(text, strlen(text));
}

static error_t take(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case 'a':
	case 'c':
	case 'd':
	case 'l':
	case 'm':
		set_action(r, key);
		return 0;
	case 'f':
		r->input = arg;
		return 0;
	case 'o':
		r->output = arg;
		return 0;
	case 'p':
		set_password(r, arg);
		return 0;
	case 'u':
		r->user = arg;
		return 0;
	case 'P':
		set_mode(r, arg);
		return 0;
	case OPT_COMPATIBILITY:
		r->compatibility = true;
		return 0;
	case 'V':
		print_version();
		return 0;
	case ARGP_KEY_ARG:
		(void)fputs("popauth: too many arguments\n", stderr);
		exit(EX_FAILED);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void popauth_arguments(struct request *r, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = take,
		.doc = "manage the database of secrets for APOP\vDefault action is:\n  For root: --list\n  For a user: "
		       "--modify, of his own record",
	};

	argp_err_exit_status = EX_FAILED;
	if (argp_parse(&argp, argc, argv, 0, NULL, r) != 0)
		exit(EX_FAILED);
}
