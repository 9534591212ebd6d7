/* fuzz/fuzz_dictionary.c - a request as it is written, and a dictionary: what is read can be sent with any name and password
 *
 * The first line of the input is a user's name, the second one the request, the rest the dictionary. */
#include "backend/radius/pairs.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint8_t authenticator[AUTHENTICATOR];
	struct slice text = {(const char *)data, n};
	struct slice user = slice_take(&text, '\n'), request = slice_take(&text, '\n');
	struct arena *a = arena_new(8 << 20);
	const struct conf_var vars[] = {{"user", user}, {"passwd", user}};
	struct dictionary d;
	struct pairs pairs;
	struct packet p;
	char copy[4096];

	must(a && dictionary_begin(&d, a, NULL) == OK);
	(void)dictionary_text(&d, text, NULL, NULL); /* what came before the error counts */
	if (slice_cstr(request, copy, sizeof copy) && pairs_parse(&pairs, &d, "auth", copy, NULL) == OK) {
		packet_begin(&p, 0, authenticator);
		enum err err = pairs_put(&pairs, &d, &p, SLICE("secret"), vars, 2, NULL);

		must(pairs.n > 0 && (err == OK || err == ERR_AUTH || err == ERR_PERM));
		must(p.n >= PACKET_HEAD && p.n <= PACKET_MOST && (err != OK || packet_sign(&p, SLICE("secret"))));
		struct attributes all = attributes_of((struct slice){(const char *)p.octets, err == OK ? p.n : 0});
		struct attribute at;
		size_t found = 0;

		while (attribute_next(&all, &at))
			found++;
		must(err != OK || (found >= 1 && found <= pairs.n + 1)); /* a value that is empty is left out */
	}
	arena_free(a);
	return 0;
}
