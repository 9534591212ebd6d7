/* auth/names.h - the parts of a login name, checked before any path is made of them */
#pragma once
#include "base/slice.h"

/* Octets that a login name or a password may consist of: no CR, LF or NUL. */
bool credential_is_clean(struct slice text);

/* The part before the domain: not empty, no slash, no control characters, no leading dot, no "..", at most
 * NAME_MOST octets. */
bool name_is_user(struct slice text);

/* A file name in the directory of virtual domains: letters, digits, '-', '_', '.', octets above 0x7F; no leading dot
 * and no "..". So neither other directories nor what editors leave behind ("example.com~") are reached. */
bool name_is_domain(struct slice text);

/* USER and DOMAIN of a login name: what stands before and behind the first of "@:!". False: there is none. */
bool name_split(struct slice login, struct slice *user, struct slice *domain);
