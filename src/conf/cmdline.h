/* conf/cmdline.h - the command line, and the start-up up to the finished configuration
 *
 *	struct cmdline cl;
 *	struct conf *cf;
 *	int status = cmdline_parse(&cl, argc, argv);	// --help, --config-help and errors end here
 *	if (status == CMDLINE_GO)
 *		status = cmdline_load(&cl, &cf);	// --config-lint and errors end here
 *	if (status != CMDLINE_GO)
 *		return status;
 *
 * Options win over the file, wherever they stand. Everything is written to standard output or standard error; nothing is
 * logged and nothing outside is changed. */
#pragma once
#include "conf/conf.h"

enum {
	CMDLINE_GO = -1,       /* go on; any other value is the status to exit with */
	CMDLINE_SETS_MOST = 64 /* --set options */
};

struct cmdline {
	struct conf_source source;
	const char *set[CMDLINE_SETS_MOST];
	char program[64];
	bool lint;
	int (*lint_files)(const struct conf *cf); /* the caller's: also for --config-lint, gives a status; NULL: none */
	enum given { GIVEN_NOT, GIVEN_NO, GIVEN_YES } daemon, foreground, debug_line_info;
	bool max_children_given;
	uint32_t max_children;
	const char *log_facility, *debug_level;
};

/* Strings of *cl point into argv and the environment. May end the program by itself: with 0 for --help, --usage and
 * --version, with EX_USAGE for options that it does not know. */
int cmdline_parse(struct cmdline *cl, int argc, char **argv);

/* Reads the configuration and lays the options over it. On CMDLINE_GO *out is the caller's (conf_free). */
int cmdline_load(const struct cmdline *cl, struct conf **out);
