/* base/signals.h - signals of a process that is about to become another program */
#pragma once

/* As a program expects them: nothing ignored or blocked. */
void signals_restore(void);
