/* front/next.h - what a command, or a part of a long reply, leaves behind */
#pragma once

enum next {
	NEXT_COMMAND, /* it is done */
	NEXT_WAIT,    /* another process has the word: s->wait says for what */
	NEXT_AGAIN,   /* the same, and then the command is run once more */
	NEXT_STREAM,  /* s->more goes on with it */
	NEXT_CLOSE,   /* it was the last */
};
