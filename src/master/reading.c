/* master/reading.c - see reading.h */
#include "master/reading.h"

#include <stdlib.h>
#include <sysexits.h>

#include "base/log.h"

int configuration_read(struct cmdline *cl, struct conf **out)
{
	char *text = NULL;
	size_t n = 0;
	FILE *err = open_memstream(&text, &n);

	if (!err)
		return EX_OSERR;
	cl->source.err = err;
	int status = cmdline_load(cl, out);

	cl->source.err = NULL;
	(void)fclose(err);
	struct slice rest = {text, n};

	while (rest.n > 0) {
		struct slice line = slice_take(&rest, '\n');

		log_line(status == CMDLINE_GO ? LOG_WARNING : LOG_ERR, "%.*s", (int)line.n, line.p);
	}
	free(text);
	return status;
}
