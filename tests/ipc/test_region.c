/* tests/ipc/test_region.c - shared memory of which one side can only read */
#include "ipc/region.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"

enum { PAGES = 4 };

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static void test_shared(void **state)
{
	(void)state;
	struct region r;
	struct why why;

	check(region_new(&r, "test", PAGES * page(), &why) == OK);
	check(r.size == PAGES * page());
	unsigned char *w = region_map(&r, true, 0, r.size);
	const unsigned char *all = region_map(&r, false, 0, r.size);
	const unsigned char *second = region_map(&r, false, page(), page());

	check(w && all && second);
	for (size_t i = 0; i < r.size; i++)
		check_row(i, "zero", all[i] == 0);
	w[page()] = 42;
	check(all[page()] == 42 && second[0] == 42);
	munmap(w, r.size);
	region_free(&r);
	check(r.rw == -1 && r.ro == -1);
	check(second[0] == 42); /* a mapping outlives its descriptors */
	region_free(&r);        /* does nothing */
}

/* Who holds the reading side cannot make it a writing one; nobody can take pages away from others. */
static void test_rights(void **state)
{
	(void)state;
	struct region r;
	struct why why;

	check(region_new(&r, "test", page(), &why) == OK);
	void *ro = region_map(&r, false, 0, page());

	check(ro && mprotect(ro, page(), PROT_READ | PROT_WRITE) < 0 && errno == EACCES);
	check(mmap(NULL, page(), PROT_READ | PROT_WRITE, MAP_SHARED, r.ro, 0) == MAP_FAILED && errno == EACCES);
	check(write(r.ro, "x", 1) < 0 && errno == EBADF);
	check(ftruncate(r.rw, 0) < 0 && errno == EPERM);
	check(ftruncate(r.rw, (off_t)(2 * page())) < 0 && errno == EPERM);
	munmap(ro, page());
	region_free(&r);
}

static void test_failures(void **state)
{
	(void)state;
	struct region r;
	struct why why = {""};

	check(region_new(&r, "huge", SIZE_MAX, &why) != OK); /* no file is that long */
	check(why.text[0] && r.rw == -1 && r.ro == -1);
	check(region_new(&r, "test", page(), &why) == OK);
	check(!region_map(&r, false, 1, page())); /* not a page's beginning */
	region_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
