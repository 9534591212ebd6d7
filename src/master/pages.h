/* master/pages.h - memory of processes that are forked often: each page that one writes to costs it a fault and a copy
 *
 * What the process that forks them has freed lies between what it uses: what they allocate would lie there too, each piece in
 * another page. */
#pragma once

/* In the process that forks: from here on, what is allocated lies together, behind all that was. */
void pages_prepare(void);
