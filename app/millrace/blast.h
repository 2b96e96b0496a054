// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A load generator over kernel sockets, or a DPDK port. It is no client: it never sends anything
 * again, and it keeps its schedule whatever the server does.
 *
 * Open loop: request number i is due at a time that the schedule alone says. Its latency counts
 * from that time, not from when it was sent, so that a server that stalls for 100 ms is charged for
 * every request that was due meanwhile ("coordinated omission", Tene). Latency from the actual
 * sending is kept beside it, and so is the generator's own lag between the two.
 * Closed loop: so many requests are under way, each answer sends the next; kept for comparison.
 *
 * A request that is answered after `timeout` is late; one that is not answered within `give_up` is
 * lost. What comes after that is a stray.
 *
 * Owner: the caller; one thread a run. Memory: 32 bytes for each request that may be under way.
 */

#include "mr_err.h"
#include "mr_hist.h"
#include "mr_rng.h"
#include "mr_schema.h"
#include "mr_wire.h"
#include "mr_wire_keys.h"

#include <stdio.h>
#include <sys/socket.h>

#define BLAST_SOCKETS_MAX 64u
#define BLAST_ROWS 256u

// ---- what is asked -----------------------------------------------------------------------------

/** Zipf-distributed ranks 1 to n, in constant time and memory (Hormann, Derflinger 1996). */
struct zipf {
	double exponent, n, h_first, h_last, shortcut;
};

void zipf_init(struct zipf *zipf, double exponent, uint64_t n);
uint64_t zipf_next(const struct zipf *zipf, struct mr_rng *rng);

/** What requests ask for. Fill the first part, then blast_work_init(). */
struct blast_work {
	const struct mr_schema *schema; //!< of the view's first set: says what keys are
	uint16_t view;                  //!< to read
	uint64_t n_keys;                //!< entities 0 to n - 1; with a file, its keys
	double zipf_exponent;           //!< 0: uniform
	unsigned absent_ppm;            //!< of the keys
	unsigned write_ppm;             //!< of the requests
	unsigned batch_min, batch_max;  //!< keys a request
	uint32_t deadline_us;
	size_t max_payload_bytes;
	const struct mr_wire_mac_key *mac; //!< NULL: writes carry none

	struct mr_rng rng;
	struct zipf zipf;
	uint8_t *file_keys; //!< one after the other; NULL: numbers
	uint32_t *file_offsets;
	uint8_t *rows; //!< BLAST_ROWS of row_capacity bytes
	uint32_t row_bytes[BLAST_ROWS], row_capacity;
};

/** Reads keys, one a line, instead of numbers. @return 0 or -errno with a message. */
int blast_work_load_keys(struct blast_work *work, const char *path, struct mr_err *err);
/** @return 0 or -errno with a message: what this set's keys cannot do, or what does not fit. */
int blast_work_init(struct blast_work *work, uint64_t seed, struct mr_err *err);
void blast_work_free(struct blast_work *work);

struct invocation;

/** What --keys, --zipf, --batch, --absent, --writes and --deadline say; a command that has not all
 *  of them gets the defaults of the others. @return 0 or EXIT_USAGE, having said why. */
int blast_work_options(const struct invocation *inv, struct blast_work *work);

/** Writes the next request. @return bytes; it always fits max_payload_bytes. */
size_t blast_work_next(struct blast_work *work, void *data, uint64_t id, uint64_t cookie);

// ---- how it goes -------------------------------------------------------------------------------

/** What happened in a stretch of the run; answers count where they came. */
struct blast_bin {
	double start_s, seconds;
	uint64_t sent, answered, late, lost, shed;
	uint64_t p50_ns, p99_ns, max_ns;
};

struct blast_result {
	double offered_per_s; //!< as scheduled; closed loop: as sent
	double seconds;       //!< of sending
	unsigned window;      //!< closed loop
	uint64_t sent, answered, late, lost, stray, malformed, send_errors;
	uint64_t results[MR_WIRE_RESULT_COUNT];
	uint64_t statuses[MR_STATUS_COUNT];
	struct mr_hist *latency_ns; //!< from the time it was due
	struct mr_hist *service_ns; //!< from the time it was sent
	struct mr_hist *lag_ns;     //!< sent minus due
	struct blast_bin *bins;
	unsigned n_bins;
};

struct blast_port;

struct blast_params {
	struct blast_port *port; //!< NULL: kernel sockets
	struct sockaddr_storage address;
	socklen_t address_bytes;
	struct blast_work *work;
	double rate_per_s; //!< open loop; 0: closed
	unsigned window;   //!< closed loop
	bool even;         //!< open loop: even gaps, not exponential ones
	bool spin;         //!< never sleeps between two requests
	unsigned n_sockets;
	uint64_t duration_ns, timeout_ns, give_up_ns;
	void (*progress)(const struct blast_result *result); //!< each second
};

/** Runs. @return 0, or -errno with a message; *ret_result is the caller's to free. */
int blast_run(
	const struct blast_params *params, struct blast_result *ret_result, struct mr_err *err);
void blast_result_free(struct blast_result *result);

double blast_answered_per_s(const struct blast_result *result);
/** Requests lost of those sent, 0 to 1. */
double blast_lost_share(const struct blast_result *result);
/** Answers with a result or status of BUSY or DEGRADED. */
uint64_t blast_shed(const struct blast_result *result);

// ---- how it is told ----------------------------------------------------------------------------

/** What a report says besides figures. */
struct blast_story {
	const char *title;   //!< what was run, in one line
	const char *command; //!< the command line
	uint64_t when_us;    //!< since the epoch
	double knee_per_s;   //!< 0: none was looked for, or found
	uint64_t p99_limit_ns;
};

/** Writes a page that needs nothing else. @return 0 or -errno with a message. */
int blast_report(const char *path, const struct blast_story *story,
	const struct blast_result *results, unsigned n_results, struct mr_err *err);
