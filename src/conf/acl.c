/* conf/acl.c - see acl.h */
#include "conf/acl.h"

#include <stdio.h>
#include <string.h>

const struct conf_acl *acl_find(const struct conf *cf, uint32_t server)
{
	if (server == (uint32_t)ACL_GLOBAL)
		return &cf->acl;
	if (server == (uint32_t)ACL_TABLES)
		return &cf->tcp_wrappers.list;
	return server < cf->nservers ? &cf->servers[server].acl : NULL;
}

bool acl_means(const struct conf_acl_rule *r, const struct address *client)
{
	size_t octets = client->family == AF_INET ? 4 : 16;

	if (client->family == 0 || r->family == AF_UNSPEC)
		return client->family != 0;
	if (r->family != client->family)
		return false;
	for (size_t i = 0; i < octets; i++)
		if ((client->ip[i] & r->mask[i]) != r->address[i])
			return false;
	return true;
}

bool acl_names(const struct conf_acl *acl, const struct address *client)
{
	for (size_t i = 0; i < acl->n; i++)
		if (acl_means(&acl->rule[i], client))
			return true;
	return false;
}

bool acl_decides(const struct conf_acl_rule *r)
{
	return r->action != ACL_LOG && r->action != ACL_EXEC;
}

/* `any', or a mask that leaves nothing. */
static bool means_all(const struct conf_acl_rule *r, int family)
{
	static const uint8_t nothing[sizeof r->mask];

	return r->family == AF_UNSPEC || (r->family == family && memcmp(r->mask, nothing, sizeof nothing) == 0);
}

bool acl_is_open(const struct conf_acl *acl)
{
	bool inet = true, inet6 = true;

	for (size_t i = 0; i < acl->n; i++) {
		inet &= !(acl_decides(&acl->rule[i]) && means_all(&acl->rule[i], AF_INET));
		inet6 &= !(acl_decides(&acl->rule[i]) && means_all(&acl->rule[i], AF_INET6));
	}
	return inet || inet6;
}

static bool has_programs(const struct conf_acl *acl)
{
	for (size_t i = 0; i < acl->n; i++)
		if (acl->rule[i].word)
			return true;
	return false;
}

bool acl_has_programs(const struct conf *cf)
{
	for (size_t i = 0; i < cf->nservers; i++)
		if (has_programs(&cf->servers[i].acl))
			return true;
	return has_programs(&cf->acl) || has_programs(&cf->tcp_wrappers.list);
}

enum err acl_expand(struct buf *out, const struct conf_acl_rule *r, const char *text, const struct address *client,
		    struct why *why)
{
	char address[ADDRESS_TEXT], number[16], port[16];
	struct buf n = BUF(number), p = BUF(port);

	buf_u64(&n, r->number);
	buf_u64(&p, client->port);
	const struct conf_var vars[] = {
		{"aclno", buf_slice(&n)},
		{"family", slice_str(client->family == AF_INET ? "AF_INET" : "AF_INET6")},
		{"address", slice_str(address_text(client, address))},
		{"port", buf_slice(&p)},
	};

	return conf_expand(out, slice_str(text), vars, sizeof vars / sizeof *vars, NULL, why);
}

const char *acl_place(const struct conf_acl_rule *r, char *dst, size_t cap)
{
	if (r->action == ACL_WRAPPERS)
		(void)snprintf(dst, cap, "tcp-wrappers");
	else if (r->file)
		(void)snprintf(dst, cap, "%s:%u", r->file, r->line);
	else
		(void)snprintf(dst, cap, "--set");
	return dst;
}
