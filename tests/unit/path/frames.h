// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Good frames of every kind, and a mutator that makes bad ones of them: shared by the mutation
 * test and by what writes the fuzz target's corpus.
 */

#include "path_util.h"

#define FRAME_MAX_BYTES 1536u
#define FRAMES_MAX 32u

struct frame {
	unsigned bytes;
	uint8_t data[FRAME_MAX_BYTES];
};

/** Frames of all operations over IPv4 and IPv6, of ARP, echo and discovery. @return how many. */
unsigned frames_make(struct path *p, struct frame *frames);

/** Puts a mutant of one of them (or a splice of two) into @p out. */
void frames_mutate(struct mr_rng *rng, const struct frame *frames, unsigned n, struct frame *out);
