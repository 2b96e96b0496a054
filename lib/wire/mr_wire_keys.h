// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Secrets as files, and the MACs of writes that are made with them. Servers and clients read the
 * same form; a client's file holds its one MAC key, a server's all of them and its cookie secrets:
 *
 *     [cookie]
 *     secret = 000102030405060708090a0b0c0d0e0f    # issues cookies
 *     secret = ...                                 # at most one more: still good, while rotating
 *     [mac]
 *     1 = 101112131415161718191a1b1c1d1e1f         # key id (1 to 4294967295) = 16 bytes
 *
 * Owner: the caller; nothing is allocated or kept. Error messages name file and line, never a key.
 */

#include "mr_err.h"
#include "mr_siphash.h"

#define MR_WIRE_SECRETS_MAX 2u
#define MR_WIRE_MAC_KEYS_MAX 64u

struct mr_wire_mac_key {
	uint32_t id;
	struct mr_siphash_key key;
};

struct mr_wire_keys {
	unsigned n_secrets, n_mac;
	struct mr_siphash_key secrets[MR_WIRE_SECRETS_MAX]; //!< cookies; the first issues them
	struct mr_wire_mac_key mac[MR_WIRE_MAC_KEYS_MAX];   //!< in the file's order
};

/** Reads the text of such a file. @return 0; -EINVAL with a message, @p ret_keys untouched. */
int mr_wire_keys_parse(struct mr_wire_keys *ret_keys, const char *file, const char *text,
	size_t text_bytes, struct mr_err *err);

/**
 * Reads a file that only its owner may read or write.
 * @return 0; -EPERM: others may read it; -EINVAL; what opening or reading said. With a message.
 */
int mr_wire_keys_load(struct mr_wire_keys *ret_keys, const char *file, struct mr_err *err);

/** Overwrites the keys. */
void mr_wire_keys_wipe(struct mr_wire_keys *keys);

/** Fills in the MAC that ends a datagram of @p bytes, header included. */
void mr_wire_mac_sign(void *data, size_t bytes, const struct mr_wire_mac_key *key);

/**
 * Does the MAC that ends this valid request hold? Cost: a search of the ids, and SipHash over all.
 * @return false for an unknown key id too.
 */
bool mr_wire_mac_holds(
	const void *data, size_t bytes, const struct mr_wire_mac_key *keys, unsigned n_keys);
