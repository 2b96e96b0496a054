// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Streams of keys: read from a trace, or made by a generator from a seed. Keys become numbers from
 * 0 on in order of their first access. Every key has a row size, made up, for the byte hit ratio.
 * Owner: the caller.
 */

#include "mr_err.h"

#include <stdbool.h>

struct sim_stream {
	char name[64];
	uint32_t *keys;      //!< n_accesses of them, below n_keys
	uint16_t *row_bytes; //!< by key: 64 to 4095, uniform in the logarithm
	uint32_t *next;      //!< when the key comes again, or SIM_NEVER
	uint8_t *noise; //!< NULL, or by access: 1: part of a scan; a second line leaves these out
	uint32_t n_accesses, n_keys;
};

/** Room for @p n_accesses. @return 0 or -ENOMEM. */
int sim_stream_init(struct sim_stream *stream, const char *name, uint32_t n_accesses);
void sim_stream_free(struct sim_stream *stream);

/**
 * Numbers @p ids, as many as the stream has accesses, and looks into the future. @return 0 or
 * -ENOMEM.
 */
int sim_stream_finish(struct sim_stream *stream, const uint64_t *ids);

/**
 * Reads a trace: NAME.u64 holds little-endian u64, any other file is text of a key in a line; with
 * .zst after the name either is compressed.
 */
int sim_trace_read(struct sim_stream *stream, const char *path, struct mr_err *err);

/** A generator of the fixed set. */
struct sim_generator {
	const char *name;
	int (*make)(struct sim_stream *stream, const struct sim_generator *generator);
	uint32_t n_accesses, n_keys;
	double exponent; //!< of Zipf
};

extern const struct sim_generator sim_generators[];
extern const unsigned sim_n_generators;
