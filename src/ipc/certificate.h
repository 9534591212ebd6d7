/* ipc/certificate.h - a certificate with its private key, on its way from master to the fronts
 *
 * It travels as a sealed memfd that nobody can change: a header, then the texts of the files (PEM) behind each other. Who
 * has the descriptor has the key: master makes it (master/certs.h), and fronts alone are given it. */
#pragma once
#include <openssl/types.h>
#include <stdint.h>

#include "base/slice.h"
#include "base/why.h"
#include "conf/conf.h"

enum { PEM_OCTETS_MOST = 1 << 20 }; /* of one file */

/* What the texts are. */
enum pem { PEM_CHAIN, PEM_KEY, PEM_CA, PEM_CLIENT_CA, PEMS };

/* Writes and seals an empty memfd made with MFD_ALLOW_SEALING; texts may be empty. */
enum err certificate_write(int fd, const struct slice text[static PEMS], struct why *why);

/* All that TLS connections of a server have in common, made of a sealed memfd: certificate, the chain that is sent, key,
 * what the priorities allow, whether clients are asked for certificates; no session is resumed yet. The caller's (SSL_CTX_free). NULL: `why` tells an operator what is
 * wrong. What was read is wiped; the key stays in this process, in what is returned. */
SSL_CTX *certificate_open(int fd, const struct conf_tls *tls, struct why *why);
