/* backend/radius/servers.h - which servers are asked: those of the configuration, or of GNU Radius' client.conf
 *
 * Where `server' is not given, DIRECTORY/client.conf is read, which a site that used Mailutils has:
 *
 *	server NAME ADDRESS SECRET AUTH-PORT ACCT-PORT
 *	timeout SECONDS
 *	retry NUMBER			how often is a matter of the time there is, here
 *	source_ip ADDRESS		which address we have is the kernel's to say, here */
#pragma once
#include "backend/radius/client.h"
#include "conf/conf.h"

/* Fills server, n and timeout_ms. Secrets lie in the arena, which must be wiped. */
enum err servers_find(struct radius_client *c, const struct conf_radius *cf, struct arena *arena, struct why *why);
