/* master/certs.h - certificates and private keys, from their files to the fronts
 *
 * The files are read by a process that is made for that and ends at once: it makes the checks of `tls-file-checks', tries
 * everything that a front will do with them (ipc/certificate.h), tells what is wrong, and leaves each certificate with its
 * key in a sealed memfd. So no key ever was in master's memory, nor in that of a process that master forks: they only
 * hold, or are given, descriptors. Fronts alone are given these (role_env.certs).
 *
 * To be called again at each reload:
 *
 *	struct certs fresh;
 *	if (certs_load(&fresh, new_conf) != EX_OK)
 *		...			// told already; what was there is as it was: go on with it
 *	certs_free(&m->certs);		// fronts that run have read theirs
 *	m->certs = fresh;		// those that start now get these
 */
#pragma once
#include "conf/conf.h"

struct certs {
	int *fd;  /* owned; one for each of conf->servers; -1: no TLS there. Servers with the same files share one */
	size_t n; /* of them */
};

/* Reads what the servers of `cf` need. Waits for the files. EX_OK, or the status to exit with: EX_CONFIG for everything
 * that an operator can mend, each told with tell(); then *c is empty. A certificate out of its time is a warning. */
int certs_load(struct certs *c, const struct conf *cf);

/* An empty one is fine. */
void certs_free(struct certs *c);

/* For --config-lint: tells the same. */
int certs_lint(const struct conf *cf);
