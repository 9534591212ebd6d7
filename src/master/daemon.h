/* master/daemon.h - leaving the terminal
 *
 * The process that the operator started stays until the daemon serves or has failed, and then ends with the outcome: a
 * status of 0 means that clients can connect. */
#pragma once
#include "base/why.h"

struct daemon {
	int report; /* to the process that waits; -1: nobody does */
};

/* Returns in the daemon: a session of its own without a terminal, the working directory /. In the caller's process it does
 * not return. Standard error is kept until daemon_started. */
enum err daemon_detach(struct daemon *d, struct why *why);

/* Tells the outcome, an exit status, and lets go of the standard descriptors. For a daemon that did not detach it
 * does nothing. */
void daemon_started(struct daemon *d, int status);

/* Lets go of the standard descriptors: they lead nowhere from here on. */
void daemon_silence(void);
