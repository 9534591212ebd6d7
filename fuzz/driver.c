/* fuzz/driver.c - runs a target over its corpus, then over mutations of it, always the same ones
 *
 * usage: fuzz_TARGET CORPUS ROUNDS	CORPUS is a directory; fuzz_TARGET FILE: that one input
 *
 * The input that ends the process is left in fuzz-failure, for the second form. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/slice.h"
#include "fuzz.h"

enum { INPUTS_MOST = 1000, INPUT_MOST = 64 * 1024 };

struct input {
	uint8_t *octets;
	size_t n;
};

static struct input corpus[INPUTS_MOST];
static size_t inputs;
static struct input running; /* for the signal handler */

static void keep_input(int sig)
{
	int fd = open("fuzz-failure", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd >= 0 && write(fd, running.octets, running.n) != (ssize_t)running.n)
		_exit(2);
	signal(sig, SIG_DFL);
	raise(sig);
}

_Noreturn void fuzz_failed(const char *file, int line, const char *fact)
{
	fprintf(stderr, "%s:%d: not so: %s (the input is in fuzz-failure)\n", file, line, fact);
	abort();
}

static void run(struct input in)
{
	/* A copy of its own size, so that a sanitizer sees one octet too many. */
	uint8_t *copy = malloc(in.n ? in.n : 1);

	if (!copy)
		exit(2);
	memcpy(copy, in.octets, in.n);
	running = (struct input){copy, in.n};
	LLVMFuzzerTestOneInput(copy, in.n);
	free(copy);
}

static bool load(const char *path)
{
	static uint8_t octets[INPUT_MOST];
	FILE *f = inputs < INPUTS_MOST ? fopen(path, "rb") : NULL;

	if (!f)
		return false;
	size_t n = fread(octets, 1, sizeof octets, f);
	uint8_t *copy = malloc(n ? n : 1);

	(void)fclose(f); /* only read from */
	if (!copy)
		return false;
	memcpy(copy, octets, n);
	corpus[inputs].octets = copy;
	corpus[inputs++].n = n;
	return true;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool load_all(const char *dir)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, by_name);
	bool ok = n > 0;

	for (int i = 0; i < n; i++) {
		char path[4096];
		int len = snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);

		if (entries[i]->d_name[0] != '.')
			ok = ok && len > 0 && (size_t)len < sizeof path && load(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return ok && inputs > 0;
}

/* xorshift64*: the same numbers everywhere. */
static uint64_t state = 88172645463325252U;

static size_t below(size_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return n ? (size_t)((state * 2685821657736338717U) >> 33) % n : 0;
}

/* One small change of in[n], whose storage has room for INPUT_MOST; the new length. */
static size_t mutate(uint8_t *in, size_t n)
{
	static const uint8_t odd[] = {0,   '\n', '\r', ' ', '.',  '>',  '"', '\\',
				      ';', '{',  '}',  ':', 0x7F, 0xFF, '9', '0'};
	const struct input *other = &corpus[below(inputs)];
	size_t at = below(n + 1), len = below(n - at + 1);

	switch (below(6)) {
	case 0: /* another octet */
		if (at < n)
			in[at] = (uint8_t)below(256);
		return n;
	case 1:
		if (at < n)
			in[at] = odd[below(sizeof odd)];
		return n;
	case 2: /* some less */
		memmove(in + at, in + at + len, n - at - len);
		return n - len;
	case 3: /* a part twice */
		if (n + len > INPUT_MOST)
			return n;
		memmove(in + at + len, in + at, n - at);
		return n + len;
	case 4: /* a part of another input */
		len = below(other->n + 1);
		if (n + len > INPUT_MOST)
			return n;
		memmove(in + at + len, in + at, n - at);
		memcpy(in + at, other->octets, len);
		return n + len;
	default: /* the end is missing */
		return at;
	}
}

int main(int argc, char **argv)
{
	static uint8_t octets[INPUT_MOST];
	struct stat st;

	if (argc < 2 || stat(argv[1], &st) < 0 || !(S_ISDIR(st.st_mode) ? load_all(argv[1]) : load(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS ROUNDS, or %s FILE\n", argv[0], argv[0]);
		return 2;
	}
	signal(SIGABRT, keep_input);
	signal(SIGSEGV, keep_input);
	for (size_t i = 0; i < inputs; i++)
		run(corpus[i]);
	long rounds = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

	for (long r = 0; r < rounds; r++) {
		const struct input *from = &corpus[below(inputs)];
		size_t n = from->n;

		memcpy(octets, from->octets, n);
		for (size_t changes = 1 + below(4); changes > 0; changes--)
			n = mutate(octets, n);
		run((struct input){octets, n});
	}
	printf("%zu inputs and %ld mutations\n", inputs, rounds);
	for (size_t i = 0; i < inputs; i++)
		free(corpus[i].octets);
	return 0;
}
