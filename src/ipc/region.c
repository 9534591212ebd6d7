/* ipc/region.c - see region.h */
#include "ipc/region.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum err region_new(struct region *r, const char *name, size_t size, struct why *why)
{
	char path[64];

	*r = (struct region){.rw = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), .ro = -1, .size = size};
	if (r->rw < 0)
		return fail_errno(why, ERR_TEMP, "create shared memory %s", name);
	if (ftruncate(r->rw, (off_t)size) < 0 ||
	    fcntl(r->rw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		enum err err = fail_errno(why, ERR_TEMP, "size shared memory %s", name);

		region_free(r);
		return err;
	}
	/* A second open gives a description without the right to write. */
	if (snprintf(path, sizeof path, "/proc/self/fd/%d", r->rw) < 0 ||
	    (r->ro = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
		enum err err = fail_errno(why, ERR_TEMP, "open shared memory %s through /proc", name);

		region_free(r);
		return err;
	}
	return OK;
}

void region_free(struct region *r)
{
	if (r->rw >= 0)
		close(r->rw);
	if (r->ro >= 0)
		close(r->ro);
	r->rw = r->ro = -1;
}

void *region_map(const struct region *r, bool write, size_t at, size_t len)
{
	int prot = write ? PROT_READ | PROT_WRITE : PROT_READ;
	void *p = mmap(NULL, len, prot, MAP_SHARED, write ? r->rw : r->ro, (off_t)at);

	return p == MAP_FAILED ? NULL : p;
}
