/* master/safety.h - whether a file is safe enough to be trusted (the lists of checks in the configuration) */
#pragma once
#include <sys/types.h>

#include "base/why.h"

/* Makes the checks (of enum conf_check) on an open file and on where its path leads. What fails is told in Mailutils'
 * words: "PATH: Group readable file". */
enum err safety_check(int fd, const char *path, unsigned checks, uid_t owner, struct why *why);
