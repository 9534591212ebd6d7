/* ipc/handover.h - descriptors of mail on their way from store to front
 *
 * A front serves many, so no file system may make it wait: not FUSE, behind which any user may stand and never answer, nor
 * one that lies on another machine. There, even fstat and close can wait for ever. So store hands over what is known not
 * to wait, and front looks again before it touches anything. Looking never waits. */
#pragma once

enum handover {
	HANDOVER_NOT,    /* not at all: front asks for the octets, with MSG_READ */
	HANDOVER_NOWAIT, /* a regular file on a local file system that we know: preadv2 with RWF_NOWAIT */
	HANDOVER_MEMORY, /* a sealed memfd: always there */
};

enum handover handover_kind(int fd);
