// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The screen of `top`, composed from two snapshots: lines of plain text, at most 80 columns by 24,
 * each with a style for terminals that have one.
 */

#include "snapshot.h"

#define TOP_LINES 24u
#define TOP_COLUMNS 80u

enum top_style { TOP_PLAIN, TOP_HEAD, TOP_ALARM };

struct top_screen {
	char text[TOP_LINES][TOP_COLUMNS + 1];
	enum top_style style[TOP_LINES];
	unsigned n;
};

/** Fills the screen with what happened between the two. @return 0 or -ENOMEM. */
int top_compose(
	struct top_screen *screen, const struct snapshot *before, const struct snapshot *now);
