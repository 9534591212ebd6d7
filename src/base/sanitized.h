/* base/sanitized.h - SANITIZED is defined in a build with AddressSanitizer, which GCC and Clang tell each in its own way */
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
