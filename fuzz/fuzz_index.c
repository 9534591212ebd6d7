/* fuzz/fuzz_index.c - an index that a hostile user has written: what can be used of it is sane
 *
 * The first octet says whether the checksums are made right, as such a user would; the rest is the file. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "store/index.h"

/* The messages of the first block, as far as they are there. */
static void sign(char *file, size_t n)
{
	struct index_head h;
	struct index_entry e;

	if (n < sizeof h)
		return;
	memcpy(&h, file, sizeof h);
	size_t entries_at = sizeof h + (size_t)(h.block % 2048) * sizeof(struct listing_rec);
	size_t names_at = entries_at + (size_t)(h.block % 2048) * sizeof e;
	size_t room = h.room % 512;

	h.sum = 0;
	for (uint32_t i = 0; i < h.count && i < h.block && names_at + (i + 1) * room <= n; i++) {
		char *at = file + entries_at + i * sizeof e;

		if (entries_at + (i + 1) * sizeof e > n)
			break;
		memcpy(&e, at, sizeof e);
		e.crc = 0;
		uint32_t crc = listing_crc(i, (struct slice){file + sizeof h + i * sizeof(struct listing_rec),
							     sizeof(struct listing_rec)});

		crc = listing_crc(crc, (struct slice){(char *)&e, sizeof e});
		e.crc = listing_crc(crc, (struct slice){file + names_at + i * room, room});
		h.sum += e.crc;
		memcpy(at, &e, sizeof e);
	}
	h.head_crc = listing_crc(0, (struct slice){(char *)&h, offsetof(struct index_head, head_crc)});
	memcpy(file, &h, sizeof h);
}

static void take_id(void *arg, uint64_t id)
{
	*(uint64_t *)arg += id;
}

static void check_message(const struct message *m)
{
	must(listing_is_sane(&m->rec));
	must(strlen(m->name) == m->entry.name_len && m->entry.name_len <= NAME_OCTETS);
	must(!strchr(m->name, '/'));
}

static void read_all(const struct index *ix)
{
	static struct index_window w;
	struct message m;

	for (uint32_t from = 0, n; from < ix->count && from < 10 * INDEX_WINDOW; from += n) {
		n = ix->count - from < INDEX_WINDOW ? ix->count - from : INDEX_WINDOW;
		if (index_read(ix, from, n, &w, NULL) != OK)
			continue;
		for (uint32_t i = 0; i < n; i++) {
			index_message(&w, from + i, &m);
			check_message(&m);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static char file[64 * 1024];
	static struct index_first first;
	static const struct stamp stamps[STAMPS];
	struct scan s = {0};
	struct index ix;
	bool current = false;

	if (n < 1 || n > sizeof file)
		return 0;
	memcpy(file, data + 1, n - 1);
	if (data[0] & 1)
		sign(file, n - 1);
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, file, n - 1) == (ssize_t)(n - 1));
	if (index_adopt(&ix, fd, &maildir_driver, stamps, &first, &current, NULL) != OK)
		return 0;
	read_all(&ix);
	uint64_t ids = 0;

	(void)index_ids(&ix, take_id, &ids, NULL);
	if (index_load(&ix, &s, NULL) == OK)
		for (uint32_t i = 0; i < s.count; i++)
			must(scan_name(&s, i).n <= NAME_OCTETS && listing_is_sane(&s.rec[i]));
	scan_done(&s);
	index_close(&ix);
	return 0;
}
