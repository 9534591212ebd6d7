/* base/filestamp.h - what stat(2) says of a file or directory that shows whether it is another one, or has changed */
#pragma once
#include <stdint.h>

/* Without padding: to be compared as memory. */
struct stamp {
	uint64_t dev, ino, size;
	int64_t mtime_ns, ctime_ns;
};
