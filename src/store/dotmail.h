/* store/dotmail.h - what the parts of the dotmail driver share
 *
 *	dotmail.c	the driver: what is a dotmail mailbox
 *	dotmail_text.c	the octets of a file, cut into messages
 *	onefile.h	everything else
 *
 * Mailutils' own format: a file of messages, each ended by a line that is a dot. Lines of a body that begin with a dot have one
 * more there; lines of a header do not, and no line of a header ends a message. No From_ lines, and nothing between messages. Lines may
 * end in CRLF. What is behind the last dot is a message, too, that somebody has not ended. */
#pragma once
#include "store/onefile.h"

extern const struct onefile_format dotmail_format;
