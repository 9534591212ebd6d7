/* fuzz/fuzz_names.c - a file name in a Maildir, and a mailbox URL */
#include <string.h>

#include "fuzz.h"
#include "store/maildir_name.h"
#include "store/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice text = {(const char *)data, n};
	struct maildir_name name, again;
	struct url url;

	maildir_name_parse(&name, text);
	must(name.stable_len <= n && name.stable_len <= NAME_OCTETS);
	maildir_name_parse(&again, (struct slice){name.stable, name.stable_len});
	must(slice_eq((struct slice){name.stable, name.stable_len}, (struct slice){again.stable, again.stable_len}));
	must(again.number == name.number);
	if (url_parse(text, &url, NULL) == OK) {
		static char path[4096];
		struct buf out = BUF(path);

		must(url.path.n > 0 && url.path.p[0] == '/' && !memchr(url.path.p, '\0', url.path.n));
		must(url_path(&url, &out, NULL) != OK || strlen(path) == out.len - 1);
		must(url.type == URL_PLAIN || !memchr(url.user.p, '/', url.user.n));
	}
	return 0;
}
