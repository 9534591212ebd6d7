/* conf/man_main.c - makes pop3d.conf(5), while the program is built
 *
 * usage: conf-man TEMPLATE	writes the template with its line "@STATEMENTS@" replaced by what the table says */
#include <string.h>

#include "conf/conf.h"

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	char line[1024];

	if (!f) {
		fprintf(stderr, "usage: conf-man TEMPLATE\n");
		return 1;
	}
	while (fgets(line, sizeof line, f)) {
		if (strcmp(line, "@STATEMENTS@\n") == 0)
			conf_man(stdout);
		else
			fputs(line, stdout);
	}
	bool fine = !ferror(f) && fflush(stdout) == 0;

	fclose(f);
	return fine ? 0 : 1;
}
