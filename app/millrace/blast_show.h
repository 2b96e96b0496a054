// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What `blast` prints: progress on a terminal, text, JSON.
 */

#include "blast.h"
#include "command.h"

/** A line on stderr that the next one overwrites, when that is a terminal. */
void blast_show_progress(const struct blast_result *result);

/** One step of the search for the knee, in a line. */
void blast_show_step(const struct blast_result *result, bool holds);

void blast_show_text(const struct blast_story *story, const struct blast_result *results,
	unsigned n_results, FILE *out);
void blast_show_json(const struct blast_story *story, const struct blast_result *results,
	unsigned n_results, FILE *out);

/** What is run, for people. */
void blast_title(const struct blast_params *params, const char *view, const char *server,
	char *text, size_t text_bytes);

/** The command line as it was given. */
void blast_command(const struct invocation *inv, char *text, size_t text_bytes);

/** "12.3 us", "45 ms". @return text. */
const char *blast_time(uint64_t ns, char *text, size_t text_bytes);
