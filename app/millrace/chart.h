// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Line charts as inline SVG: axes linear or logarithmic, ticks at round numbers, a legend. Colours
 * come from the page's style sheet (classes s0 to s3). Stateless but for the file written to.
 */

#include <stdbool.h>
#include <stdio.h>

#define CHART_SERIES_MAX 4u

enum chart_unit {
	CHART_PLAIN, //!< 1k, 2M
	CHART_TIME,  //!< ns: 1 us, 2 ms
	CHART_NINES, //!< -log10(1 - q): 90 %, 99 %
	CHART_SECONDS,
};

struct chart_axis {
	const char *name;
	enum chart_unit unit;
	bool is_log;
	double min, max; //!< widened to ticks
};

struct chart_series {
	const char *name;
	const double *x, *y;
	unsigned n;
};

struct chart_mark {
	double at;
	bool is_x; //!< a vertical line
	const char *text;
};

struct chart {
	const char *title, *note;
	struct chart_axis x, y;
	struct chart_series series[CHART_SERIES_MAX];
	unsigned n_series;
	struct chart_mark marks[2];
	unsigned n_marks;
};

/** Sets the ranges from the series. A logarithmic axis leaves out what is not above 0. */
void chart_fit(struct chart *chart);
void chart_print(const struct chart *chart, FILE *out);

/** Prints text with &, <, > and quotes escaped. */
void html_text(const char *text, FILE *out);
