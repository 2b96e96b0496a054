// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Workloads for the benches of the packet path: a whole appliance over an in-memory port
 * (tests/fixture) whose cache holds rows, and a generator of real request frames with keys that
 * change from frame to frame.
 *
 * One thread at a time; generator and RX lcore may be on two lcores.
 */

#include "bench_dpdk.h"
#include "bench_keys.h"
#include "mr_fixture.h"

/** What the rows look like. */
struct bench_table {
	const char *name;
	unsigned n_sets;      //!< the view covers them all
	unsigned n_columns;   //!< f32, of each set
	unsigned view_stride; //!< the view wants every so many'th column; 1: all
	uint64_t rows;        //!< keys by default
};

/** Rows of 64 B (10 M), of 1 KiB (1 M), 250 of 500 columns (500 K), four sets of 64 B (2.5 M). */
extern const struct bench_table bench_rows_64, bench_rows_1k, bench_columns_250, bench_sets_4;

struct bench_work {
	struct mr_fixture f;
	const struct bench_table *table;
	uint64_t n_rows;
	uint16_t view;       //!< as on the wire
	uint64_t now_us;     //!< event time of all rows
	uint8_t frame[2304]; //!< a request; keys are written over it
	unsigned frame_bytes, keys_at, n_keys;
	uint64_t next_request;
};

/** Heap, in MB, that a table of this many rows takes. */
unsigned bench_work_megabytes(const struct bench_table *table, uint64_t n_rows);

/** Builds the appliance and fills its cache. @p store: what mr_fixture_params.store_path says. */
void bench_work_open(struct bench_work *work, const struct bench_table *table, uint64_t n_rows,
	const char *store);

/** What an appliance may have besides; what is 0 is as bench_work_open() makes it. */
struct bench_work_more {
	const char *store;
	const cpu_set_t *store_cpus;
	unsigned n_rx;
	uint16_t mtu_bytes; //!< of BENCH_MTU_255_KEYS requests may have so many
	struct mr_idler idler;
};

#define BENCH_MTU_255_KEYS 2200u

void bench_work_open_with(struct bench_work *work, const struct bench_table *table, uint64_t n_rows,
	const struct bench_work_more *more);
void bench_work_close(struct bench_work *work);

/**
 * What benches of single-key hits begin with: options --rows N and --memory, which prints the MB of
 * hugepages wanted and ends the program, as an unknown one does; EAL; rows of bench_rows_64 in the
 * cache; requests of one key, which @p keys draws uniformly.
 */
struct bench_work *bench_work_begin(
	const char *name, int argc, char **argv, struct bench_keys *keys);
void bench_work_end(struct bench_work *work);

/** A stored row of the table's set number @p set. @return its bytes. */
unsigned bench_work_row(
	const struct bench_work *work, unsigned set, uint64_t id, void *row, unsigned capacity);

/**
 * Loads rows of ids [first, first + n) of set 1 into the store, and their keys into the filter.
 * @param stop
 *   Ends it early, without rows, once it is true; NULL: nothing does.
 */
void bench_work_load(struct bench_work *work, uint16_t version, uint64_t first, uint64_t n,
	const _Atomic bool *stop);

/** Sets how many keys the next requests have. */
void bench_work_shape(struct bench_work *work, unsigned n_keys);

/** Makes @p n requests. @return how many there were mbufs for. */
unsigned bench_work_make(
	struct bench_work *work, struct bench_keys *keys, struct rte_mbuf **frames, unsigned n);

/** The same with request ids of the caller's, who may be one of several threads. */
unsigned bench_work_make_from(const struct bench_work *work, uint64_t *next_request,
	struct bench_keys *keys, struct rte_mbuf **frames, unsigned n);

/**
 * Sends @p n requests and lets RX lcore 0 turn until it finds nothing; replies are thrown away.
 * @param busy
 *   Gets the turns that found work, and how many requests they took.
 */
void bench_work_turns(struct bench_work *work, unsigned (*turn)(struct mr_rx *rx),
	struct rte_mbuf **frames, unsigned n, struct bench_gauge *busy);

/** Throws replies of one RX lcore away; several threads may, each for an lcore. @return datagrams.
 */
unsigned bench_work_drain_lcore(struct bench_work *work, unsigned rx);

/** Throws replies away. @return datagrams. */
unsigned bench_work_drain(struct bench_work *work);
