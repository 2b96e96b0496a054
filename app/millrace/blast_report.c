// SPDX-License-Identifier: BSD-3-Clause
//
// A run or a search for the knee as one page: no script, nothing to fetch, fit for a phone and for
// paper.

#include "blast_show.h"
#include "chart.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CURVE_POINTS 121u

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	"<title>millrace blast</title>\n<style>\n"
	":root{--ink:#1c2329;--soft:#5b6770;--line:#d9dee2;--paper:#fff;--c0:#0b6bcb;--c1:#c2410c;"
	"--c2:#15803d;--c3:#7e22ce}\n"
	"@media (prefers-color-scheme:dark){:root{--ink:#e6e9ec;--soft:#9aa5ad;--line:#343c43;"
	"--paper:#14191d;--c0:#60a5fa;--c1:#fb923c;--c2:#4ade80;--c3:#c084fc}}\n"
	"@media print{:root{--ink:#000;--soft:#444;--line:#ccc;--paper:#fff;--c0:#0b6bcb;"
	"--c1:#c2410c;--c2:#15803d;--c3:#7e22ce}figure,table{break-inside:avoid}}\n"
	"body{font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);"
	"max-width:48rem;margin:0 auto;padding:1rem}\n"
	"h1{font-size:1.4rem;margin:0 0 .3rem}h2{font-size:1.05rem;margin:1.6rem 0 .3rem}\n"
	"code{font-size:.85rem;overflow-wrap:anywhere}p,figcaption{color:var(--soft)}"
	"figcaption{font-size:.85rem}\n"
	"figure{margin:0}svg{width:100%;height:auto;display:block}\n"
	".legend svg{display:inline-block;width:24px;vertical-align:middle}"
	".legend{font-size:.85rem;margin:.2rem 0}.legend span{margin-right:1rem}\n"
	"text{font:12px system-ui,sans-serif;fill:var(--soft)}polyline{fill:none;stroke-width:2}\n"
	"@media (max-width:600px){text{font-size:19px}polyline{stroke-width:3}"
	"svg{overflow:visible}.side{display:none}}\n"
	".s0{stroke:var(--c0)}.s1{stroke:var(--c1)}.s2{stroke:var(--c2)}.s3{stroke:var(--c3)}\n"
	"circle.s0{fill:var(--c0)}circle.s1{fill:var(--c1)}circle.s2{fill:var(--c2)}"
	"circle.s3{fill:var(--c3)}\n"
	".grid{stroke:var(--line)}.faint{stroke:var(--line);stroke-opacity:.35}"
	"line.mark{stroke:var(--ink);stroke-dasharray:4 4}text.mark{fill:var(--ink)}\n"
	".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;"
	"font-variant-numeric:tabular-nums}\n"
	"th,td{text-align:right;padding:.2rem .6rem;border-bottom:1px solid var(--line);"
	"white-space:nowrap}th:first-child,td:first-child{text-align:left}\n"
	"</style></head><body>\n";

// ---- figures -----------------------------------------------------------------------------------

static void cell_time(uint64_t ns, FILE *out)
{
	char text[24];

	fprintf(out, "<td>%s</td>", blast_time(ns, text, sizeof(text)));
}

static void print_row(const char *what, const struct mr_hist *h, FILE *out)
{
	static const double quantiles[] = {0.5, 0.9, 0.99, 0.999, 0.9999};

	fprintf(out, "<tr><td>%s</td>", what);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++)
		cell_time(mr_hist_quantile(h, quantiles[i]), out);
	cell_time(h->max, out);
	fputs("</tr>\n", out);
}

static void print_run(const struct blast_result *r, FILE *out)
{
	fprintf(out,
		"<p>%" PRIu64 " sent, %" PRIu64 " answered (%.0f/s), %" PRIu64 " late, %" PRIu64
		" lost (%.4f %%), %" PRIu64 " shed.</p>\n",
		r->sent, r->answered, blast_answered_per_s(r), r->late, r->lost,
		100 * blast_lost_share(r), blast_shed(r));
	fputs("<div class=\"wide\"><table><tr><th></th><th>p50</th><th>p90</th><th>p99</th>"
	      "<th>p99.9</th><th>p99.99</th><th>max</th></tr>\n",
		out);
	if (r->window == 0)
		print_row("from when due", r->latency_ns, out);
	print_row("from when sent", r->service_ns, out);
	if (r->window == 0)
		print_row("generator's lag", r->lag_ns, out);
	fputs("</table></div>\n", out);
}

static int by_rate(const void *a, const void *b)
{
	const struct blast_result *const *x = a, *const *y = b;

	return ((*x)->offered_per_s > (*y)->offered_per_s) -
	       ((*x)->offered_per_s < (*y)->offered_per_s);
}

static void print_steps(const struct blast_result *const *sorted, unsigned n, FILE *out)
{
	fputs("<div class=\"wide\"><table><tr><th>offered</th><th>answered</th><th>p50</th>"
	      "<th>p90</th><th>p99</th><th>p99.9</th><th>lost</th><th>shed</th></tr>\n",
		out);
	for (unsigned i = 0; i < n; i++) {
		const struct blast_result *r = sorted[i];

		fprintf(out, "<tr><td>%.0f/s</td><td>%.0f/s</td>", r->offered_per_s,
			blast_answered_per_s(r));
		cell_time(mr_hist_quantile(r->latency_ns, 0.5), out);
		cell_time(mr_hist_quantile(r->latency_ns, 0.9), out);
		cell_time(mr_hist_quantile(r->latency_ns, 0.99), out);
		cell_time(mr_hist_quantile(r->latency_ns, 0.999), out);
		fprintf(out, "<td>%.3f %%</td><td>%" PRIu64 "</td></tr>\n",
			100 * blast_lost_share(r), blast_shed(r));
	}
	fputs("</table></div>\n", out);
}

// ---- charts ------------------------------------------------------------------------------------

static void print_distribution(const struct blast_result *r, FILE *out)
{
	double x[CURVE_POINTS], due[CURVE_POINTS], sent[CURVE_POINTS];
	double nines = fmax(log10((double)MR_MAX(r->answered, UINT64_C(10))), 1);
	struct chart chart = {
		.title = "Latency distribution",
		.note = "Read: 99 % of the requests took at most so long. The two curves part "
			"where "
			"requests waited for their turn to be sent.",
		.x = {.name = "share of the requests", .unit = CHART_NINES},
		.y = {.name = "latency", .unit = CHART_TIME, .is_log = true},
		.n_series = 2,
	};

	for (unsigned i = 0; i < CURVE_POINTS; i++) {
		x[i] = nines * i / (CURVE_POINTS - 1);
		due[i] = (double)mr_hist_quantile(r->latency_ns, 1 - pow(10, -x[i]));
		sent[i] = (double)mr_hist_quantile(r->service_ns, 1 - pow(10, -x[i]));
	}
	chart.series[0] = (struct chart_series){"from when due", x, due, CURVE_POINTS};
	chart.series[1] = (struct chart_series){"from when sent", x, sent, CURVE_POINTS};
	if (r->window > 0)
		chart.n_series = 1;
	chart_fit(&chart);
	chart_print(&chart, out);
}

// The last one may be a few requests in hardly any time: no rate.
static unsigned whole_bins(const struct blast_result *r)
{
	unsigned n = r->n_bins;

	return n > 1 && r->bins[n - 1].seconds < r->bins[0].seconds / 2 ? n - 1 : n;
}

static int print_time(const struct blast_result *r, FILE *out)
{
	unsigned n = whole_bins(r);
	double *v = calloc((size_t)n + 1, 5 * sizeof(*v));
	double *t = v, *sent = v + n, *answered = sent + n;
	double *p99 = answered + n, *p50 = p99 + n;
	struct chart rate = {
		.title = "Throughput over time",
		.x = {.name = "time", .unit = CHART_SECONDS},
		.y = {.name = "requests/s"},
		.series = {{"sent", t, sent, n}, {"answered", t, answered, n}},
		.n_series = 2,
	};
	struct chart latency = {
		.title = "Latency over time",
		.x = {.name = "time", .unit = CHART_SECONDS},
		.y = {.name = "latency", .unit = CHART_TIME, .is_log = true},
		.series = {{"p50", t, p50, n}, {"p99", t, p99, n}},
		.n_series = 2,
	};

	if (v == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		const struct blast_bin *b = &r->bins[i];
		double seconds = fmax(b->seconds, 1e-3);

		t[i] = b->start_s + b->seconds / 2;
		sent[i] = (double)b->sent / seconds;
		answered[i] = (double)b->answered / seconds;
		p50[i] = (double)b->p50_ns;
		p99[i] = (double)b->p99_ns;
	}
	chart_fit(&rate);
	chart_print(&rate, out);
	chart_fit(&latency);
	chart_print(&latency, out);
	free(v);
	return 0;
}

static void print_load(const struct blast_story *story, const struct blast_result *const *sorted,
	unsigned n, FILE *out)
{
	double *v = calloc(n, 4 * sizeof(*v));
	char limit[48], at[24], knee[48];
	struct chart chart = {
		.title = "Percentiles over load",
		.x = {.name = "offered requests/s"},
		.y = {.name = "latency from when due", .unit = CHART_TIME, .is_log = true},
		.series = {{"p50", v, v + n, n}, {"p99", v, v + 2 * n, n},
			{"p99.9", v, v + 3 * n, n}},
		.n_series = 3,
	};

	if (v == NULL)
		return;
	for (unsigned i = 0; i < n; i++) {
		v[i] = sorted[i]->offered_per_s;
		v[n + i] = (double)mr_hist_quantile(sorted[i]->latency_ns, 0.5);
		v[2 * n + i] = (double)mr_hist_quantile(sorted[i]->latency_ns, 0.99);
		v[3 * n + i] = (double)mr_hist_quantile(sorted[i]->latency_ns, 0.999);
	}
	chart_fit(&chart);
	blast_time(story->p99_limit_ns, at, sizeof(at));
	snprintf(limit, sizeof(limit), "p99 at most %s", at);
	snprintf(knee, sizeof(knee), "knee: %.0f/s", story->knee_per_s);
	if ((double)story->p99_limit_ns >= chart.y.min &&
		(double)story->p99_limit_ns <= chart.y.max)
		chart.marks[chart.n_marks++] =
			(struct chart_mark){(double)story->p99_limit_ns, false, limit};
	if (story->knee_per_s > 0)
		chart.marks[chart.n_marks++] = (struct chart_mark){story->knee_per_s, true, knee};
	chart_print(&chart, out);
	free(v);
}

// ---- page --------------------------------------------------------------------------------------

static void print_head(const struct blast_story *story, FILE *out)
{
	time_t seconds = (time_t)(story->when_us / 1000000);
	char when[40] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm) != NULL)
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	fputs(head, out);
	fputs("<h1>millrace blast</h1>\n<p>", out);
	html_text(story->title, out);
	fprintf(out, "<br>%s</p>\n<p><code>", when);
	html_text(story->command, out);
	fputs("</code></p>\n", out);
}

static int print_page(const struct blast_story *story, const struct blast_result *const *sorted,
	unsigned n, FILE *out)
{
	// Of a search, the step at the knee in full; else the first.
	const struct blast_result *shown = sorted[0];

	for (unsigned i = 0; i < n; i++)
		if (sorted[i]->offered_per_s <= story->knee_per_s)
			shown = sorted[i];
	print_head(story, out);
	if (n > 1) {
		print_load(story, sorted, n, out);
		print_steps(sorted, n, out);
		fprintf(out, "<h2>At %.0f requests/s</h2>\n", shown->offered_per_s);
	}
	print_run(shown, out);
	print_distribution(shown, out);
	if (print_time(shown, out) != 0)
		return -ENOMEM;
	fputs("</body></html>\n", out);
	return 0;
}

int blast_report(const char *path, const struct blast_story *story,
	const struct blast_result *results, unsigned n_results, struct mr_err *err)
{
	const struct blast_result **sorted = calloc(n_results, sizeof(*sorted));
	FILE *out;
	int rc;

	if (sorted == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	for (unsigned i = 0; i < n_results; i++)
		sorted[i] = &results[i];
	qsort(sorted, n_results, sizeof(*sorted), by_rate);
	out = fopen(path, "w");
	if (out == NULL) {
		rc = mr_fail(err, errno, "%s: %s", path, strerror(errno));
		free(sorted);
		return rc;
	}
	rc = print_page(story, sorted, n_results, out);
	if (fclose(out) != 0 || rc != 0)
		rc = mr_fail(err, rc != 0 ? -rc : errno, "%s: cannot be written: %s", path,
			strerror(rc != 0 ? -rc : errno));
	free(sorted);
	return rc;
}
