// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Writes rows through a window of datagrams until every one of them is acknowledged. What is lost
 * or shed is sent again, after a pause that grows; the window halves then, and grows by one with
 * every datagram that is acknowledged whole. Owner: the caller; one thread. Memory: the window.
 */

#include "mr_client.h"

struct sender;

struct sender_counts {
	uint64_t stored;      //!< acknowledged OK
	uint64_t superseded;  //!< an equal or newer event was there
	uint64_t resent;      //!< rows sent again because they were lost or shed
	uint64_t not_durable; //!< acknowledged before they were on stable storage
};

/**
 * @param give_up_us
 *   Without any acknowledgement for so long, it gives up.
 * @return NULL: out of memory.
 */
struct sender *sender_new(
	struct mr_client *client, const struct mr_schema *schema, uint64_t give_up_us);
void sender_free(struct sender *sender);

/** @return true when a row of that length can be sent at all. */
bool sender_fits(const struct sender *sender, unsigned key_bytes, uint32_t row_bytes);

/**
 * Adds a row, which fits; copies it. Waits while the window is full.
 * @return 0; -ETIMEDOUT: gave up; -EREMOTEIO: the server refused; -ENOMEM; all with a message.
 */
int sender_add(struct sender *sender, const struct mr_client_row *row, struct mr_err *err);

/** Waits until all is acknowledged. @return as sender_add(). */
int sender_finish(struct sender *sender, struct mr_err *err);

void sender_counts(const struct sender *sender, struct sender_counts *ret_counts);
