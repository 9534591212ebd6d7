/* master/notify.c - see notify.h
 *
 * A datagram is all there is to it, so that no library has to be loaded into a process of root's for it. */
#include "master/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A process has one service manager. */
static struct sockaddr_un manager;
static socklen_t manager_len; /* 0: none */

/* A path, or with @ in front a name of Linux's abstract ones. */
void notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t n = name ? strlen(name) : 0;

	if (n < 2 || n >= sizeof manager.sun_path || (name[0] != '/' && name[0] != '@'))
		return;
	manager.sun_family = AF_UNIX;
	memcpy(manager.sun_path, name, n);
	manager_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
	if (name[0] == '@')
		manager.sun_path[0] = '\0';
}

void notify(const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int fd = manager_len > 0 ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;

	if (fd < 0)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);

	va_end(ap);
	if (n > 0)
		(void)!sendto(fd, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1,
			      MSG_NOSIGNAL | MSG_DONTWAIT, (const struct sockaddr *)&manager, manager_len);
	close(fd);
}
