/* conf/safety.h - whether a file is safe enough to be trusted (the lists of checks in the configuration) */
#pragma once
#include <sys/types.h>

#include "base/slice.h"
#include "base/why.h"

/* Makes the checks (of enum conf_check) on an open file and on where its path leads. What fails is told in Mailutils'
 * words: "PATH: Group readable file". */
enum err safety_check(int fd, const char *path, unsigned checks, uid_t owner, struct why *why);

/* Applies one word of a list of checks, "grdfil", "-gwrdir", "none", ..., to the set of enum conf_check; ERR_PERM: there is no
 * such word, and the set is as it was. */
enum err safety_word(struct slice word, unsigned *bits, struct why *why);
