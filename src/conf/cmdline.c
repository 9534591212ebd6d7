/* conf/cmdline.c - see cmdline.h */
#include "conf/cmdline.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>

enum {
	OPT_FOREGROUND = 256,
	OPT_NO_FOREGROUND,
	OPT_NO_INETD,
	OPT_DEBUG_LEVEL,
	OPT_DEBUG_LINE_INFO,
	OPT_NO_DEBUG_LINE_INFO,
	OPT_LOG_FACILITY,
	OPT_CONFIG_FILE,
	OPT_CONFIG_LINT,
	OPT_CONFIG_VERBOSE,
	OPT_NO_SITE_CONFIG,
	OPT_SET,
	OPT_CONFIG_HELP,
	OPT_SHOW_OPTIONS
};

static const struct argp_option options[] = {
	{"daemon", 'd', "NUMBER", OPTION_ARG_OPTIONAL, "run in daemon mode, with at most NUMBER clients", 1},
	{"inetd", 'i', NULL, 0, "run in inetd mode (default)", 1},
	{"no-inetd", OPT_NO_INETD, NULL, OPTION_HIDDEN, NULL, 1},
	{"foreground", OPT_FOREGROUND, NULL, 0, "remain in foreground", 1},
	{"no-foreground", OPT_NO_FOREGROUND, NULL, 0, "do not", 1},
	{NULL, 0, NULL, 0, "Global debugging settings", 2},
	{"debug-level", OPT_DEBUG_LEVEL, "LEVEL", 0, "set debugging level", 2},
	{"debug-line-info", OPT_DEBUG_LINE_INFO, NULL, 0, "show source info with debugging messages", 2},
	{"no-debug-line-info", OPT_NO_DEBUG_LINE_INFO, NULL, 0, "do not", 2},
	{"log-facility", OPT_LOG_FACILITY, "FACILITY", 0, "output logs to syslog FACILITY", 2},
	{NULL, 0, NULL, 0, "Configuration handling", 3},
	{"config-file", OPT_CONFIG_FILE, "FILE", 0, "load this configuration file; implies --no-config", 3},
	{"config-lint", OPT_CONFIG_LINT, NULL, 0, "check configuration file syntax and exit", 3},
	{"config-verbose", OPT_CONFIG_VERBOSE, NULL, 0,
	 "verbosely log parsing of the configuration files; twice: print the statements too", 3},
	{"no-site-config", OPT_NO_SITE_CONFIG, NULL, 0, "do not load site-wide configuration file", 3},
	{"no-config", 0, NULL, OPTION_ALIAS, NULL, 3},
	{"set", OPT_SET, "PARAM=VALUE", 0, "set configuration parameter", 3},
	{NULL, 0, NULL, 0, "Informational options", -1},
	{"config-help", OPT_CONFIG_HELP, NULL, 0, "show configuration file summary", -1},
	{"show-config-options", OPT_SHOW_OPTIONS, NULL, 0, "show compilation options", -1},
	{0},
};

/* Scripts read this: NAME=VALUE or NAME, a blank and a tab, and a text. */
static void show_options(FILE *f)
{
	static const struct {
		const char *name, *value, *text;
	} rows[] = {
		{"VERSION", POPLAR_VERSION, "Version of this package"},
		{"SYSCONFDIR", "/etc", "System configuration directory"},
		{"MAILSPOOLDIR", "/var/mail", "Default mail spool directory"},
		{"SCHEME", "mbox", "Default mailbox type"},
		{"LOG_FACILITY", "mail", "Default syslog facility"},
		{"IPV6", NULL, "IPv6 support"},
		{"ENABLE_VIRTUAL_DOMAINS", NULL, "Support for virtual mail domains"},
		{"ENABLE_POP", NULL, "POP3 protocol support"},
		{"ENABLE_MAILDIR", NULL, "Maildir mail storage support"},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		fprintf(f, "%s%s%s \t- %s\n", rows[i].name, rows[i].value ? "=" : "",
			rows[i].value ? rows[i].value : "", rows[i].text);
}

static void print_version(FILE *f, struct argp_state *state)
{
	(void)state;
	fputs("pop3d (Poplar) " POPLAR_VERSION "\n"
	      "A POP3 server that takes the configuration of GNU Mailutils' pop3d.\n"
	      "Licence: MIT. There is no warranty, to the extent permitted by law.\n",
	      f);
}

/* What parse_option works on; argp itself ends the program for --help, --usage, --version and unknown options. */
struct parsing {
	struct cmdline *cl;
	int status;
};

static error_t stop(struct parsing *p, int status)
{
	p->status = status;
	return ECANCELED;
}

static error_t parse_daemon(struct parsing *p, const char *arg, struct argp_state *state)
{
	struct cmdline *cl = p->cl;

	cl->daemon = GIVEN_YES;
	if (!arg)
		return 0;
	if (!slice_u32(slice_str(arg), &cl->max_children)) {
		fprintf(state->err_stream, "%s: %s: bad argument\n", state->name, arg);
		return stop(p, EX_USAGE);
	}
	cl->max_children_given = true;
	return 0;
}

static error_t parse_set(struct parsing *p, const char *arg, struct argp_state *state)
{
	struct cmdline *cl = p->cl;

	if (cl->source.nset == CMDLINE_SETS_MOST) {
		fprintf(state->err_stream, "%s: more than %d --set options\n", state->name, CMDLINE_SETS_MOST);
		return stop(p, EX_USAGE);
	}
	cl->set[cl->source.nset++] = arg;
	return 0;
}

/* Options that only set a member: to a word of enum given, or to their argument. */
static const struct {
	int key;
	enum given given; /* GIVEN_NOT: the argument */
	size_t at;
} assignments[] = {
	{'i', GIVEN_NO, offsetof(struct cmdline, daemon)},
	{OPT_NO_INETD, GIVEN_YES, offsetof(struct cmdline, daemon)},
	{OPT_FOREGROUND, GIVEN_YES, offsetof(struct cmdline, foreground)},
	{OPT_NO_FOREGROUND, GIVEN_NO, offsetof(struct cmdline, foreground)},
	{OPT_DEBUG_LINE_INFO, GIVEN_YES, offsetof(struct cmdline, debug_line_info)},
	{OPT_NO_DEBUG_LINE_INFO, GIVEN_NO, offsetof(struct cmdline, debug_line_info)},
	{OPT_DEBUG_LEVEL, GIVEN_NOT, offsetof(struct cmdline, debug_level)},
	{OPT_LOG_FACILITY, GIVEN_NOT, offsetof(struct cmdline, log_facility)},
	{OPT_CONFIG_FILE, GIVEN_NOT, offsetof(struct cmdline, source.config_file)},
};

static const char *option_name(int key)
{
	for (const struct argp_option *o = options; o->name || o->doc; o++)
		if (o->key == key)
			return o->name;
	return "";
}

/* ARGP_ERR_UNKNOWN when the key is none of the table. */
static error_t assign(struct parsing *p, int key, const char *arg, struct argp_state *state)
{
	for (size_t i = 0; i < sizeof assignments / sizeof assignments[0]; i++) {
		char *member = (char *)p->cl + assignments[i].at;

		if (assignments[i].key != key)
			continue;
		if (assignments[i].given != GIVEN_NOT) {
			*(enum given *)(void *)member = assignments[i].given;
		} else if (*arg == '\0') {
			fprintf(state->err_stream, "%s: option '--%s' requires an argument\n", state->name,
				option_name(key));
			return stop(p, EX_USAGE);
		} else {
			*(const char **)(void *)member = arg;
		}
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct parsing *p = state->input;
	struct cmdline *cl = p->cl;

	switch (key) {
	case 'd':
		return parse_daemon(p, arg, state);
	case OPT_SET:
		return parse_set(p, arg, state);
	case OPT_CONFIG_LINT:
		cl->lint = true;
		return 0;
	case OPT_CONFIG_VERBOSE:
		cl->source.verbose++;
		return 0;
	case OPT_NO_SITE_CONFIG:
		cl->source.site_file = NULL;
		return 0;
	case OPT_CONFIG_HELP:
		conf_help(state->out_stream, state->name);
		return stop(p, EX_OK);
	case OPT_SHOW_OPTIONS:
		show_options(state->out_stream);
		return stop(p, EX_OK);
	case ARGP_KEY_ARG:
		fprintf(state->err_stream, "%s: too many arguments\n", state->name);
		return stop(p, EX_USAGE);
	case ARGP_KEY_END:
		snprintf(cl->program, sizeof cl->program, "%s", state->name);
		return 0;
	default:
		return assign(p, key, arg, state);
	}
}

int cmdline_parse(struct cmdline *cl, int argc, char **argv)
{
	static const struct argp argp = {
		.options = options, .parser = parse_option, .doc = "The POP3 daemon of Poplar."};
	struct parsing p = {.cl = cl};
	const char *site = getenv("MU_SITE_CONFIG_FILE");

	*cl = (struct cmdline){.source.site_file = site ? site : "/etc/mailutils.conf"};
	char **renamed = calloc((size_t)argc + 1, sizeof *renamed);

	if (!renamed || argc < 1) {
		free((void *)renamed);
		return renamed ? EX_USAGE : EX_OSERR;
	}
	memcpy((void *)renamed, (void *)argv, (size_t)argc * sizeof *renamed);
	renamed[0] = basename(argv[0]); /* getopt's messages begin with it */
	argp_program_version_hook = print_version;
	argp_err_exit_status = EX_USAGE;
	error_t error = argp_parse(&argp, argc, renamed, ARGP_IN_ORDER, NULL, &p);

	free((void *)renamed);
	if (error == ECANCELED)
		return p.status;
	if (error) {
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, strerror(error));
		return EX_OSERR;
	}
	cl->source.program = cl->program;
	cl->source.set = cl->set;
	return CMDLINE_GO;
}

/* The options over what the files say. What they get wrong is told, and does not count, as with Mailutils. */
static void lay_over(const struct cmdline *cl, struct conf *cf)
{
	struct conf_debug debug = {0};
	FILE *err = cl->source.err ? cl->source.err : stderr;
	struct why why;

	if (cl->daemon != GIVEN_NOT)
		cf->mode = cl->daemon == GIVEN_YES ? MODE_DAEMON : MODE_INETD;
	if (cl->max_children_given)
		cf->max_children = cl->max_children;
	if (cl->foreground != GIVEN_NOT)
		cf->foreground = cl->foreground == GIVEN_YES;
	if (cl->debug_line_info != GIVEN_NOT)
		cf->debug.line_info = cl->debug_line_info == GIVEN_YES;
	if (cl->log_facility && conf_facility(cl->log_facility, &cf->logging.facility, &why) != OK)
		fprintf(err, "%s: %s\n", cl->program, why.text);
	if (!cl->debug_level)
		return;
	if (conf_debug_spec(&debug, slice_str(cl->debug_level), &why) != OK)
		fprintf(err, "%s: %s\n", cl->program, why.text);
	cf->debug.level = debug;
}

static void tell_notices(const struct cmdline *cl, const struct conf *cf)
{
	size_t n;
	const struct conf_notice *notice = conf_notices(cf, &n);
	char text[512];

	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "%s: %s\n", cl->program, conf_notice_text(&notice[i], text, sizeof text));
}

int cmdline_load(const struct cmdline *cl, struct conf **out)
{
	struct conf_source src = cl->source;
	struct conf *cf;

	*out = NULL;
	src.program = cl->program; /* *cl may have been copied */
	src.set = (const char *const *)cl->set;
	src.verbose += cl->lint;
	int status = conf_load(&src, &cf);

	if (status != 0)
		return status;
	lay_over(cl, cf);
	/* Servers that inetd mode forgets are looked at too: the mode may be said at the start only. */
	int servers = cl->lint && cl->lint_files && cf->mode == MODE_INETD ? cl->lint_files(cf) : 0;

	status = conf_finish(cf);
	if (cl->lint && status == 0) {
		tell_notices(cl, cf);
		status = cl->lint_files ? cl->lint_files(cf) : 0;
		status = status == 0 ? servers : status;
	}
	if (cl->lint || status != 0) {
		conf_free(cf);
		return status;
	}
	*out = cf;
	return CMDLINE_GO;
}
