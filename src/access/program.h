/* access/program.h - one process of an entry's program, with all that it starts: from fork to the end of its group
 * Or of TCP wrappers (wrappers.h), which is no program but may start some.
 *
 * It runs as we do, behind the walls that master put around us, with no descriptor but /dev/null as standard input and output,
 * and a pipe as standard error, whose lines we log. It leads a process group, which nobody in it can leave; what is left of that group
 * when the program has ended is killed. */
#pragma once
#include <ev.h>
#include <sys/types.h>

#include "base/address.h"
#include "conf/conf.h"
#include "ipc/catalogue.h"

enum { PROGRAM_LINE_MOST = 200 }; /* octets of a line that it says */

/* What a child says through a page, before it becomes another program. */
struct program_said {
	int failed;   /* errno of execve; 0: it became the program */
	bool allowed; /* the tables of TCP wrappers let the client in */
};

struct program {
	struct ev_loop *loop;
	const struct conf_acl_rule *rule;
	uint64_t log_id;           /* of the client's connection */
	pid_t pid;                 /* and group; 0: it does not run */
	struct program_said *told; /* shared with the child */
	ev_io said;                /* standard error, as long as it is read */
	char line[PROGRAM_LINE_MOST];
	size_t octets;  /* of it that are there */
	unsigned lines; /* that were logged */
};

/* Starts it for this client. ERR: nothing runs. The caller's storage must stay until program_end. */
enum err program_start(struct program *p, struct ev_loop *loop, const struct conf_acl_rule *r,
		       const struct msg_ask *ask, struct why *why);

/* All of its group; its end is still to come. */
void program_kill(const struct program *p);

/* wait(2) has it, but it was not taken away yet. Ends its group, takes it away, and logs what it said last. The status of wait(2). */
int program_end(struct program *p);
