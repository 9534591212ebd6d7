/* backend/ldap/entry.h - from an entry of a directory to a user's record, by the field map */
#pragma once
#include <ldap.h>

#include "backend/backend.h"

enum { ENTRY_TEXT_MOST = 16384, ATTRIBUTES_MOST = 16 };

/* The attributes that the map names, for a search; the list ends with NULL, and borrows from the map. */
void entry_attributes(const struct conf_map *map, char *attributes[static ATTRIBUTES_MOST]);

/* Fills the record; its slices are in `store', which is empty. ERR_PERM: an attribute is missing, or is not what it should be. */
enum err entry_read(LDAP *ld, LDAPMessage *entry, const struct conf_ldap *cf, const struct backend_ask *ask,
		    struct buf *store, struct backend_record *r, struct why *why);
