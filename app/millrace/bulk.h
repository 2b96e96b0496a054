// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Bulk loads, the tool's half. Reading: one thread cuts the file into blocks of whole records, and
 * lanes, a thread each, parse them, make rows and sort them (bulk_read.c). Sending: as many threads
 * merge the sorted runs, each a range of keys, and send them to the admin socket in chunks
 * (bulk_send.c). bulk_state.c keeps in a directory what has been read and sorted, so that a load
 * that was cut short goes on where it stopped.
 */

#include "command.h"
#include "progress.h"
#include "rejects.h"
#include "rows.h"
#include "sorter.h"

#define BULK_LANES_MAX SORTER_LANES_MAX

/** What is known of a load that goes on. */
struct bulk_state {
	const char *dir; //!< NULL: nothing is kept
	char *what;      //!< the file and how it is read, in words
	int lock;        //!< descriptor of the directory, locked
	uint64_t id;     //!< that the appliance knows the load by
	bool is_read;    //!< everything is sorted
	uint64_t bytes;  //!< of the file that have been read
	unsigned line;   //!< where they end
	uint64_t n_good;
	uint64_t n_rejects, rejects_bytes;
};

/**
 * Locks the directory, making it if need be, and reads what is there into @p state and @p sorter.
 * @return 1: a load goes on; 0: a new one; -errno with a message (EINVAL: it is another load's).
 */
int bulk_state_open(struct bulk_state *state, struct sorter *sorter, struct mr_err *err);

/** Writes what is known; the sorter's lanes have been flushed. @return 0 or -errno. */
int bulk_state_save(
	const struct bulk_state *state, const struct sorter *sorter, struct mr_err *err);

/** @param done the load is over: removes what is kept. */
void bulk_state_close(struct bulk_state *state, bool done);

struct bulk_read_params {
	struct reader *reader;
	const char *path; //!< for messages
	struct sorter *sorter;
	struct rejects *rejects;
	struct binding *bindings; //!< one a lane
	unsigned n_lanes;
	uint64_t checkpoint_bytes; //!< of the file between two looks of bulk_state_save()
	struct bulk_state *state;
	struct progress *progress;
};

/** Reads to the end of the file. @return 0 or -errno with a message. */
int bulk_read(const struct bulk_read_params *params, struct mr_err *err);

struct bulk_done {
	uint32_t version;
	uint64_t rows, duplicates;
};

struct bulk_send_params {
	const struct invocation *inv;
	const char *admin;
	const struct mr_schema *schema;
	uint32_t version; //!< 0: the one after the greatest
	bool activate;
	struct sorter *sorter;
	unsigned n_parts;
	uint64_t id; //!< 0: a load that nobody goes on with
	struct progress *progress;
};

/**
 * Sends all rows of the sorter and makes them a version of the set.
 * @return exit code, having said why.
 */
int bulk_send(const struct bulk_send_params *params, struct bulk_done *ret_done);

/**
 * A set's schema, as the admin socket tells it.
 * @param ret_mem
 *   The caller's to free, when the schema is no longer needed.
 * @return 0, or an exit code, having said why.
 */
int bulk_schema(const struct invocation *inv, const char *set, const struct mr_schema **ret_schema,
	void **ret_mem);
