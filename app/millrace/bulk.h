// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The tool's half of a bulk load: sorted rows go to the admin socket in chunks.
 */

#include "command.h"
#include "progress.h"
#include "sorter.h"

struct bulk_done {
	uint32_t version;
	uint64_t rows;
};

/**
 * Sends all rows of @p sorter and makes them a version of the set.
 * @param version
 *   0: the one after the greatest.
 * @return exit code, having said why.
 */
int bulk_send(const struct invocation *inv, const struct mr_schema *schema, uint32_t version,
	bool activate, struct sorter *sorter, struct bulk_done *ret_done);
