// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the sides of the `process` bench share: requests in the peers' own protocols, and the
 * closed loop's bookkeeping. A client keeps a window of requests under way; each has a slot, whose
 * number travels as the request's id. Keys are row numbers: u64 to millrace, 7 decimal digits to
 * the peers; rows and values have 64 bytes.
 *
 * One thread.
 */

#include <stdbool.h>

#include "bench.h"
#include "mr_hist.h"
#include "mr_rng.h"

#define WINDOW_MAX 1024u
#define KEYS_MAX 16u
#define VALUE_BYTES 64u
#define DIGITS 7u
#define ROWS_MAX 10000000u
#define CHARGES_MAX 16u

enum peer {
	PEER_MILLRACE,
	PEER_ECHO,      //!< is sent what millrace is sent
	PEER_MEMCACHED, //!< over UDP, text protocol
	PEER_REDIS,     //!< over TCP
	PEER_COUNT,
};

extern const char *const peer_names[PEER_COUNT];

/** What the command line says; all subcommands share it. */
struct options {
	const char *program;
	enum peer peer;
	const char *server; //!< ADDRESS:PORT
	const char *device; //!< of the generator's DPDK port
	const char *client; //!< the generator's address
	unsigned window, n_keys;
	uint64_t n_rows;
	double seconds, warmup_s;
	bool sweep; //!< every key once, in order
	//! The window is sent at once, when all of it is answered and so long after the last time;
	//! 0: each request follows an answer.
	double pace_us;
	unsigned n_charges;
	int charges[CHARGES_MAX]; //!< processes whose CPU time is taken
};

/** A request as a template, and what its answer looks like. */
struct question {
	enum peer peer;
	unsigned n_keys;
	unsigned bytes;       //!< of the request
	unsigned reply_bytes; //!< of the last datagram, when every key is found
	unsigned n_pieces;    //!< datagrams of a reply: memcached sends one for each value
	unsigned key_at, key_stride;
	uint64_t tag; //!< of this run, in millrace's ids: what answers an earlier run is no answer
	uint8_t data[1024];
};

/** Builds the template. @p cookie: millrace's, else 0. */
void question_init(struct question *q, enum peer peer, unsigned n_keys, uint64_t cookie);

/** Writes a request of @p slot for rows @p ids into @p data, which holds the template already. */
void question_put(const struct question *q, uint8_t *data, unsigned slot, const uint64_t *ids);

/** Whether a datagram is one of several and not the last. */
bool question_is_piece(const struct question *q, const uint8_t *reply, unsigned bytes);

/** @return the slot that a datagram answers. */
unsigned question_slot(const struct question *q, const uint8_t *reply, unsigned bytes);

/** Whether a datagram says that every key was found. */
bool question_found(const struct question *q, const uint8_t *reply, unsigned bytes);

// ---- the closed loop ---------------------------------------------------------------------------

/** Requests under way and what came of them. */
struct loop {
	const struct options *o;
	struct mr_rng rng;
	uint64_t next_row; //!< of a sweep
	unsigned n_free;
	uint16_t free[WINDOW_MAX];
	uint64_t sent_tsc[WINDOW_MAX]; //!< 0: not under way
	uint8_t n_pieces[WINDOW_MAX];  //!< of the reply so far
	uint64_t answered, wrong, lost;
	uint64_t pace_cycles, due_tsc;
	uint64_t start_tsc, end_tsc, heard_tsc, first_tsc; //!< first_tsc: 0 until it is warm
	uint64_t answered_before;
	double server_s, client_s; //!< CPU time; before the end: what it was at the start
	struct mr_hist *cycles;
};

void loop_begin(struct loop *loop, const struct options *o);

/** Whether anything may be sent now: of a window that is sent at once. */
bool loop_is_due(struct loop *loop);

/** Takes up to @p n slots. @return how many; none when a sweep is through. */
unsigned loop_take(struct loop *loop, uint16_t *slots, unsigned n);

/** The rows that the next request asks for. */
void loop_rows(struct loop *loop, uint64_t *ids);

static inline void loop_sent(struct loop *loop, unsigned slot, uint64_t tsc)
{
	loop->sent_tsc[slot] = tsc;
	loop->n_pieces[slot] = 0;
}

/** @p slot was taken and could not be sent; nor were those taken after it. */
static inline void loop_unsent(struct loop *loop, unsigned slot)
{
	loop->sent_tsc[slot] = 0;
	if (loop->o->sweep)
		loop->next_row -= loop->o->n_keys;
	loop->free[loop->n_free++] = (uint16_t)slot;
}

/** A whole reply came. */
static inline void loop_answered(struct loop *loop, unsigned slot, bool found, uint64_t tsc)
{
	mr_hist_record(loop->cycles, tsc - loop->sent_tsc[slot], 1);
	loop->sent_tsc[slot] = 0;
	loop->answered++;
	loop->wrong += !found;
	loop->heard_tsc = tsc;
	loop->free[loop->n_free++] = (uint16_t)slot;
}

/** A datagram came. */
static inline void loop_heard(struct loop *loop, const struct question *q, const uint8_t *reply,
	unsigned bytes, uint64_t tsc)
{
	unsigned slot = question_slot(q, reply, bytes);

	if (slot >= WINDOW_MAX || loop->sent_tsc[slot] == 0)
		return;
	loop->n_pieces[slot]++;
	if (!question_is_piece(q, reply, bytes))
		loop_answered(loop, slot,
			loop->n_pieces[slot] == q->n_pieces && question_found(q, reply, bytes),
			tsc);
}

/** Looks at the clock, about once in a batch. @return false at the end. */
bool loop_goes_on(struct loop *loop, uint64_t tsc);

/** Prints one JSON object. @return the exit code. */
int loop_report(struct loop *loop);

// ---- subcommands -------------------------------------------------------------------------------

int run_echo(const struct options *o);
int run_udp(const struct options *o);
int run_redis(const struct options *o);
int run_fill(const struct options *o);
int run_frames(const struct options *o);
int run_turn(const struct options *o);

/** A socket bound or connected to o->server. Exits on failure. */
int open_socket(const struct options *o, int type, bool is_server);
