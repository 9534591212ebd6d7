/* auth/delay.c - see delay.h */
#include "auth/delay.h"

#include "base/log.h"
#include "conf/acl.h"
#include "conf/kinds.h"

static const struct slice keyword = {"login-delay=", sizeof "login-delay=" - 1};

static void told(struct slice text, const char *place)
{
	struct event e;

	event_new(&e, "login-delay-ignored");
	event_word(&e, "record", place);
	event_kv(&e, "value", text);
	event_kv(&e, "reason", SLICE("not a time; login-delay of the configuration counts"));
	event_log(&e, LOG_WARNING);
}

/* False: the record says nothing. */
static bool own_delay(struct slice gecos, const char *place, uint64_t *out)
{
	while (gecos.n > 0) {
		struct slice part = slice_trim(slice_take(&gecos, ','));

		if (!slice_starts(part, keyword))
			continue;
		part = (struct slice){part.p + keyword.n, part.n - keyword.n};
		if (part.n > 0 && time_parse(part, out, NULL) == OK && *out <= UINT32_MAX)
			return true;
		told(part, place);
		return false;
	}
	return false;
}

uint32_t login_delay(const struct conf *cf, const struct address *client, struct slice gecos, const char *place)
{
	uint64_t delay = cf->login_delay.n, own;

	if (delay == 0 || acl_names(&cf->login_delay_exempt, client))
		return 0;
	return (uint32_t)(cf->login_delay_per_user && own_delay(gecos, place, &own) ? own : delay);
}
