/* master/reading.h - reading the configuration where nobody watches standard error */
#pragma once
#include "conf/cmdline.h"

/* As cmdline_load, from the same files and options as the first time. What is wrong goes to the log, line by line. */
int configuration_read(struct cmdline *cl, struct conf **out);
