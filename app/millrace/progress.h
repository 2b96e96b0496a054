// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * A progress bar on stderr, when that is a terminal: share done, rows, rate, time left. Costs a
 * clock reading every few hundred calls. Owner: the caller.
 */

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool is_on;
	uint64_t total_bytes; //!< or rows; 0: not known, then there is no bar
	uint64_t start_ns, drawn_ns;
	unsigned calls;
};

void progress_start(struct progress *progress, uint64_t total_bytes);
void progress_show(struct progress *progress, uint64_t bytes, uint64_t rows);
/** As progress_show(), for those who call it only now and then. */
void progress_show_now(struct progress *progress, uint64_t bytes, uint64_t rows);
/** Clears the line. @return seconds since the start. */
double progress_end(struct progress *progress);
