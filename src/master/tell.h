/* master/tell.h - where log lines go, and what is said at start
 *
 * The log's destination is opened by master alone. Lines about the start go to standard error as well, as long as somebody
 * waits there for its outcome. */
#pragma once
#include <stdbool.h>

#include "conf/conf.h"

/* Opens what `logging' says: the system's log, or standard error. */
void tell_setup(const struct conf *cf);

/* A line for the log; while the daemon starts, for standard error too. */
void tell(int severity, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* From here on tell() writes to the log only. */
void tell_started(void);

/* Calls fn(arg), from inside a write to the log, when the log's receiver has gone or was never there. */
void tell_on_lost(void (*fn)(void *arg), void *arg);

/* Connects to the system's log anew. On true log_current()->fd is the new descriptor. */
bool tell_reopen(void);
