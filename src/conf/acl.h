/* conf/acl.h - access lists in use: whom an entry means, what its texts say for a client, which list it stands in
 *
 * Who walks a list and acts on its entries is src/front/access.c; who runs their programs is src/access. */
#pragma once
#include "base/address.h"
#include "conf/conf.h"

/* The list of a server, by its number in cf->servers, or the global one, or that of TCP wrappers. NULL: there is no such server. */
#define ACL_GLOBAL UINT32_MAX
#define ACL_TABLES (UINT32_MAX - 1) /* that of TCP wrappers */
const struct conf_acl *acl_find(const struct conf *cf, uint32_t server);

/* The entry means this client. Nothing means a client without an address (of a Unix socket). */
bool acl_means(const struct conf_acl_rule *r, const struct address *client);

/* One that allows or denies, at once or as its program says. */
bool acl_decides(const struct conf_acl_rule *r);

/* Some clients may come to the end of the list undecided, and are allowed. */
bool acl_is_open(const struct conf_acl *acl);

/* Some entry means this client. */
bool acl_names(const struct conf_acl *acl, const struct address *client);

/* Some list has a program to run. */
bool acl_has_programs(const struct conf *cf);

/* A text or a word of the entry, with $aclno, $family (AF_INET or AF_INET6), $address and $port of the client. */
enum err acl_expand(struct buf *out, const struct conf_acl_rule *r, const char *text, const struct address *client,
		    struct why *why);

/* "FILE:LINE" of the entry, for the log; cut when too long. */
const char *acl_place(const struct conf_acl_rule *r, char *dst, size_t cap);
