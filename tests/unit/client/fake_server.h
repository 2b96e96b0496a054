// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A server of one thread on a loopback socket, built on the server side of lib/wire, with faults to
 * order. What it answers is a function of (set, key), so that tests know every right answer:
 * keys whose number ends in 9 are not found, in 8 expired, in 7 busy. Rows written with PUT are
 * kept, and last writer wins.
 *
 * The knobs are read for each request under the lock: set them through fake_set().
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "mr_catalog.h"
#include "mr_key.h"
#include "mr_rng.h"
#include "mr_wire.h"
#include "mr_wire_keys.h"

#define FAKE_EVENT_TIME_US UINT64_C(1700000000000000)

struct fake_faults {
	bool silent;            //!< answers nothing at all
	unsigned drop_attempts; //!< the first so many arrivals of each request are dropped
	unsigned drop_percent;  //!< of the reply datagrams
	bool duplicate;         //!< every reply datagram goes out twice
	bool reverse;           //!< datagrams of a reply go out last first
	bool garbage;           //!< random bytes, and a damaged copy, go out before every datagram
	unsigned delay_us;      //!< before every reply
	unsigned stall_us;      //!< does nothing for so long at the start of each stall_every_us
	unsigned stall_every_us;
	unsigned max_payload;    //!< in HELLO, and of the replies
	unsigned result;         //!< enum mr_wire_result for GET, PUT and DELETE
	bool need_cookie;        //!< requests with another cookie than the present one are refused
	unsigned cookie_valid_s; //!< in HELLO
	bool need_mac;           //!< writes without a MAC under fake_mac_key are denied
	bool new_layout;         //!< the second catalog is in force
	bool second_value;       //!< rows of another event time, of the same length
	bool alternate;          //!< each GET changes second_value
	unsigned bad_rows;       //!< that many rows are sent damaged
	unsigned version;        //!< protocol version spoken, when not ours
	/** What requests that ask for times hear, and 1 us more in all for each key; 0: nothing. */
	struct mr_wire_times times;
};

/** The key of need_mac: id 7, FAKE_MAC_HEX in a file. */
#define FAKE_MAC_HEX "00112233445566778899aabbccddeeff"
extern const struct mr_wire_mac_key fake_mac_key;

#define FAKE_WRITTEN_SLOTS 16384u

struct fake_written {
	bool is_used;
	uint64_t key;
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t row[256];
};

struct fake {
	pthread_t thread;
	pthread_mutex_t lock;
	int fd, stop_fd;
	char address[32];
	struct fake_faults faults;
	struct mr_rng rng;
	void *catalog_mem[2];
	struct mr_catalog *catalogs[2];
	uint64_t cookie;
	unsigned n_requests[MR_WIRE_OP_COUNT]; //!< arrivals
	unsigned n_keys_max;                   //!< largest GET
	uint16_t get_ports[256];               //!< source ports of the first GETs
	uint64_t seen_ids[4096];               //!< for drop_attempts: id, arrivals
	unsigned seen_counts[4096];
	unsigned n_seen;
	struct fake_written written[FAKE_WRITTEN_SLOTS]; //!< rows of `user`, by key
	unsigned n_written;
};

/** Starts the thread. The port is the system's choice: see fake->address. */
void fake_start(struct fake *fake);
void fake_stop(struct fake *fake);
void fake_set(struct fake *fake, const struct fake_faults *faults);

/** The stored row for a key, which tests compare with. @return its length. */
uint32_t fake_row(const struct mr_schema *schema, uint64_t key, bool second, uint8_t *row);
