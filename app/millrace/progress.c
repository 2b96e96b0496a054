// SPDX-License-Identifier: BSD-3-Clause

#include "progress.h"
#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DRAW_EVERY_NS (MR_NS_PER_S / 5)
#define CALLS_PER_CLOCK 256u
#define BAR_CELLS 30

void progress_start(struct progress *progress, uint64_t total_bytes)
{
	progress->is_on = isatty(STDERR_FILENO) != 0;
	progress->total_bytes = total_bytes;
	progress->start_ns = clock_ns();
	progress->drawn_ns = progress->start_ns;
	progress->calls = 0;
}

static void draw(const struct progress *progress, uint64_t now_ns, uint64_t bytes, uint64_t rows)
{
	double seconds = (double)(now_ns - progress->start_ns) / (double)MR_NS_PER_S;
	double share =
		progress->total_bytes > 0 ? (double)bytes / (double)progress->total_bytes : 0;
	int full = (int)(share * BAR_CELLS);

	fputc('\r', stderr);
	if (progress->total_bytes > 0 && full <= BAR_CELLS)
		fprintf(stderr, "[%.*s%*s] %3.0f %%  ", full, "##############################",
			BAR_CELLS - full, "", share * 100);
	fprintf(stderr, "%" PRIu64 " rows  %.0f rows/s", rows, (double)rows / seconds);
	if (share > 0 && share <= 1)
		fprintf(stderr, "  %.0f s left", seconds * (1 - share) / share);
	fprintf(stderr, "\033[K");
	fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t bytes, uint64_t rows)
{
	if (++progress->calls % CALLS_PER_CLOCK == 0)
		progress_show_now(progress, bytes, rows);
}

void progress_show_now(struct progress *progress, uint64_t bytes, uint64_t rows)
{
	uint64_t now_ns;

	if (!progress->is_on)
		return;
	now_ns = clock_ns();
	if (now_ns - progress->drawn_ns < DRAW_EVERY_NS)
		return;
	progress->drawn_ns = now_ns;
	draw(progress, now_ns, bytes, rows);
}

double progress_end(struct progress *progress)
{
	if (progress->is_on)
		fprintf(stderr, "\r\033[K");
	return (double)(clock_ns() - progress->start_ns) / (double)MR_NS_PER_S;
}
