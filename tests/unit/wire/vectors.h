// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The golden vectors of tests/golden, read for a test. Each datagram lies at the end of its own
 * allocation, so that AddressSanitizer sees a read past it.
 */

#include "mr_wire.h"

#define VECTORS_MAX 256

struct vector {
	char name[64]; //!< file name without ".hex"
	char sha256[65];
	char defect[24]; //!< mr_wire_defect_name()
	bool is_reply;
	uint8_t *data;
	size_t bytes;
};

struct vectors {
	struct vector at[VECTORS_MAX];
	unsigned count;
};

/** All vectors of this protocol version, by name, between setup and teardown. */
extern struct vectors vectors;

/** Group fixtures. Setup fails the tests on any trouble. */
int vectors_setup(void **state);
int vectors_teardown(void **state);

/** @return the vector, or NULL. */
const struct vector *vectors_find(const char *name);

/** A copy of exactly @p bytes, for the caller to free. */
uint8_t *exact_copy(const void *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
