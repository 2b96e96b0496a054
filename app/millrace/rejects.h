// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The file that bad rows are set aside in: the rows as they stand, and the reason as one more
 * column, so that it can be mended and loaded again with --ignore-unknown. Owner: the caller.
 */

#include "reader.h"

#define REJECT_REASON_COLUMN "reject_reason"

struct rejects {
	FILE *file; //!< NULL: none yet
	const char *path;
	enum reader_format format;
	uint64_t n;
	uint64_t keep_bytes; //!< of a file that is there already; 0: it is overwritten
};

/** Adds a row; the file is made with the first. @return 0 or -errno with a message. */
int rejects_add(struct rejects *rejects, const struct reader *reader, const struct record *record,
	const char *reason, struct mr_err *err);

/** Brings what was added to disk. @param ret_bytes length of the file. @return 0 or -errno. */
int rejects_sync(struct rejects *rejects, uint64_t *ret_bytes, struct mr_err *err);

/** Closes the file. @return 0 or -errno with a message: the disk may be full. */
int rejects_close(struct rejects *rejects, struct mr_err *err);
