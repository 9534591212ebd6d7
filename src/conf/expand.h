/* conf/expand.h - templates: $name, ${name}, ${name:-word}, $(command words)
 *
 * conf_expand of conf.h is the public face. What is inserted is never expanded again. */
#pragma once
#include "conf/conf.h"

/* Whether a template can be expanded, as far as can be told without its variables; no command is run. */
enum err expand_check(struct slice text, struct why *why);
