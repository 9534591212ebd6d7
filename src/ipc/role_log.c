/* ipc/role_log.c - see role_log.h */
#include "ipc/role_log.h"

#include <unistd.h>

#include "base/log.h"

static struct chan *told; /* the log has room for no argument */

enum err role_log_on_log(struct chan *c, struct msg *m, struct why *why)
{
	struct log_setup setup = *log_current();
	int old = setup.fd;

	(void)c;
	(void)why;
	setup.fd = msg_take_fd(m, 0);
	log_setup(&setup);
	if (old > STDERR_FILENO)
		close(old);
	return OK;
}

static void on_lost(void)
{
	(void)chan_send(told, MSG_LOG_LOST, NULL); /* without master we are at our end anyway */
}

void role_log_tell(struct chan *master)
{
	told = master;
	log_on_lost(master ? on_lost : NULL);
}
