/* conf/expand.h - templates: $name, ${name}, ${name:-word}, $(command words)
 *
 * conf_expand of conf.h is the public face. What is inserted is never expanded again. */
#pragma once
#include "conf/conf.h"

/* Whether a template can be expanded, as far as can be told without its variables; no command is run. `shell`: whether it
 * may contain one. */
enum err expand_check(struct slice text, bool shell, struct why *why);

/* Octets of the ${...} or $(...) that the text begins with; 0: it begins with neither. */
size_t expand_octets(struct slice text);
