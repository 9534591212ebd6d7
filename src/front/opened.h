/* front/opened.h - a login of an owner without a store worker, whose maildrop the opener has looked at (master/opener.h)
 *
 * Here the index is read: the opener, which may open anybody's files, reads nothing. It may be anything, since its owner may be hostile; what does not
 * fit in the smallest thing is for a worker. */
#pragma once
#include "ipc/chan.h"

struct front;

enum err opened_on_begin(struct front *f, struct msg *m, struct why *why);
