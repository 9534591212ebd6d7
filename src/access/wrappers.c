/* access/wrappers.c - see wrappers.h */
#include "access/wrappers.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <tcpd.h>
#include <unistd.h>

/* What we use of the library. */
static struct {
	char **allow_table, **deny_table;
	struct request_info *(*init)(struct request_info *, ...), *(*set)(struct request_info *, ...);
	int (*access)(struct request_info *);
	void (*hostname)(struct host_info *), (*hostaddr)(struct host_info *);
} lib;

static bool find(void *library, const char *name, void *at)
{
	void *symbol = dlsym(library, name);

	memcpy(at, &symbol, sizeof symbol);
	return symbol != NULL;
}

enum err wrappers_load(const struct conf *cf, struct why *why)
{
	void *library;

	if (cf->tcp_wrappers.list.n == 0)
		return OK;
	library = dlopen("libwrap.so.0", RTLD_NOW | RTLD_LOCAL);
	if (library && find(library, "hosts_allow_table", &lib.allow_table) &&
	    find(library, "hosts_deny_table", &lib.deny_table) && find(library, "request_init", &lib.init) &&
	    find(library, "request_set", &lib.set) && find(library, "hosts_access", &lib.access) &&
	    find(library, "sock_hostname", &lib.hostname) && find(library, "sock_hostaddr", &lib.hostaddr))
		return OK;
	return fail(why, ERR_PERM, "tcp-wrappers: %.180s; Debian's package libwrap0 has it", dlerror());
}

/* The library takes one that it cannot open for an empty one. */
static bool is_readable(const char *table)
{
	int fd = open(table, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return true;
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)fprintf(stderr, "cannot read %s, so nobody is let in: %s; uid %u must be able to read it\n",
			      table, strerror(errno), (unsigned)getuid());
		return false;
	}
	close(fd);
	if (!S_ISREG(st.st_mode))
		(void)fprintf(stderr, "%s is not a file, so nobody is let in\n", table);
	return S_ISREG(st.st_mode);
}

static struct sockaddr_storage sockaddr_of(const struct address *a)
{
	struct sockaddr_storage ss = {.ss_family = a->family};
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;

	if (a->family == AF_INET) {
		in->sin_port = htons(a->port);
		memcpy(&in->sin_addr, a->ip, sizeof in->sin_addr);
	} else if (a->family == AF_INET6) {
		in6->sin6_port = htons(a->port);
		memcpy(&in6->sin6_addr, a->ip, sizeof in6->sin6_addr);
	}
	return ss;
}

bool wrappers_allow(const struct conf_acl_rule *rule, const struct address *client, const struct address *here)
{
	static struct sockaddr_storage peer, own; /* the library keeps pointers */
	static struct request_info request;
	static char allow[4096], deny[4096];

	(void)snprintf(allow, sizeof allow, "%s", rule->word[WRAPPERS_ALLOW]);
	(void)snprintf(deny, sizeof deny, "%s", rule->word[WRAPPERS_DENY]);
	if (!is_readable(allow) || !is_readable(deny))
		return false;
	openlog(rule->word[WRAPPERS_DAEMON], LOG_PERROR, LOG_MAIL);
	peer = sockaddr_of(client);
	own = sockaddr_of(here);
	*lib.allow_table = allow;
	*lib.deny_table = deny;
	lib.init(&request, RQ_DAEMON, rule->word[WRAPPERS_DAEMON], RQ_CLIENT_SIN, &peer, 0);
	if (here->family != 0)
		lib.set(&request, RQ_SERVER_SIN, &own, 0);
	request.hostname = lib.hostname;
	request.hostaddr = lib.hostaddr;
	return lib.access(&request) != 0;
}
