// SPDX-License-Identifier: BSD-3-Clause

#include "blast_show.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

const char *blast_time(uint64_t ns, char *text, size_t text_bytes)
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double value = (double)ns;
	unsigned unit = 0;

	for (; value >= 999.5 && unit < 3; unit++)
		value /= 1000;
	snprintf(text, text_bytes, "%.*f %s",
		unit == 0 || value >= 99.95 ? 0
		: value >= 9.995            ? 1
					    : 2,
		value, units[unit]);
	return text;
}

void blast_title(const struct blast_params *p, const char *view, const char *server, char *text,
	size_t text_bytes)
{
	const struct blast_work *w = p->work;
	char load[64], skew[48] = "uniform", mix[96] = "";

	if (p->rate_per_s > 0)
		snprintf(load, sizeof(load), "open loop, %.0f requests/s", p->rate_per_s);
	else
		snprintf(load, sizeof(load), "closed loop, %u under way", p->window);
	if (w->zipf_exponent > 0)
		snprintf(skew, sizeof(skew), "Zipf %.2f", w->zipf_exponent);
	if (w->absent_ppm > 0 || w->write_ppm > 0)
		snprintf(mix, sizeof(mix), ", %.1f %% absent, %.1f %% writes", w->absent_ppm / 1e4,
			w->write_ppm / 1e4);
	snprintf(text, text_bytes, "%s on %s: %s, %u%s%.0u keys a request of %" PRIu64 ", %s%s",
		view, server, load, w->batch_min, w->batch_max > w->batch_min ? "-" : "",
		w->batch_max > w->batch_min ? w->batch_max : 0, w->n_keys, skew, mix);
}

void blast_command(const struct invocation *inv, char *text, size_t text_bytes)
{
	size_t at = (size_t)snprintf(text, text_bytes, "millrace %s", inv->command->name);

	for (unsigned i = 0; i < inv->n_options && at < text_bytes; i++)
		at += (size_t)snprintf(text + at, text_bytes - at, " --%s%s%s", inv->names[i],
			inv->values[i][0] != '\0' ? " " : "", inv->values[i]);
	for (int i = 0; i < inv->n_args && at < text_bytes; i++)
		at += (size_t)snprintf(text + at, text_bytes - at, " %s", inv->args[i]);
}

void blast_show_progress(const struct blast_result *r)
{
	char p50[24], p99[24];

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr,
		"\r\033[K%4.0f s  %.0f/s answered  p50 %s  p99 %s  late %" PRIu64 "  lost %" PRIu64
		"  shed %" PRIu64,
		r->seconds, blast_answered_per_s(r),
		blast_time(mr_hist_quantile(r->latency_ns, 0.5), p50, sizeof(p50)),
		blast_time(mr_hist_quantile(r->latency_ns, 0.99), p99, sizeof(p99)), r->late,
		r->lost, blast_shed(r));
	fflush(stderr);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

void blast_show_step(const struct blast_result *r, bool holds)
{
	char p50[24], p99[24], p999[24];

	end_progress();
	printf("%10.0f/s offered %10.0f/s answered  p50 %8s  p99 %8s  p99.9 %8s  lost %.3f %%  "
	       "shed %" PRIu64 "  %s\n",
		r->offered_per_s, blast_answered_per_s(r),
		blast_time(mr_hist_quantile(r->latency_ns, 0.5), p50, sizeof(p50)),
		blast_time(mr_hist_quantile(r->latency_ns, 0.99), p99, sizeof(p99)),
		blast_time(mr_hist_quantile(r->latency_ns, 0.999), p999, sizeof(p999)),
		100 * blast_lost_share(r), blast_shed(r), holds ? "holds" : "too much");
	fflush(stdout);
}

// ---- text --------------------------------------------------------------------------------------

static const struct {
	const char *name, *json;
	double q;
} quantiles[] = {
	{"p50", "p50_ns", 0.5},
	{"p90", "p90_ns", 0.9},
	{"p99", "p99_ns", 0.99},
	{"p99.9", "p999_ns", 0.999},
	{"p99.99", "p9999_ns", 0.9999},
};

static void print_latency(const char *what, const struct mr_hist *h, FILE *out)
{
	char text[24];

	fprintf(out, "%-26s", what);
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++)
		fprintf(out, "  %s %s", quantiles[i].name,
			blast_time(mr_hist_quantile(h, quantiles[i].q), text, sizeof(text)));
	fprintf(out, "  max %s\n", blast_time(h->max, text, sizeof(text)));
}

static void print_counts(const struct blast_result *r, FILE *out)
{
	fprintf(out, "keys:");
	for (unsigned i = 0; i < MR_STATUS_COUNT; i++)
		if (r->statuses[i] > 0)
			fprintf(out, " %s %" PRIu64, mr_status_name((enum mr_status)i),
				r->statuses[i]);
	fputc('\n', out);
	for (unsigned i = 1; i < MR_WIRE_RESULT_COUNT; i++)
		if (r->results[i] > 0)
			fprintf(out, "refused: %s %" PRIu64 "\n",
				mr_wire_result_name((enum mr_wire_result)i), r->results[i]);
	if (r->stray + r->malformed + r->send_errors > 0)
		fprintf(out,
			"stray answers %" PRIu64 ", malformed %" PRIu64 ", send errors %" PRIu64
			"\n",
			r->stray, r->malformed, r->send_errors);
}

/** What the reader must know before believing the figures. */
static void print_doubts(const struct blast_result *r, FILE *out)
{
	uint64_t lag_ns = mr_hist_quantile(r->lag_ns, 0.99);
	char text[24];

	if (r->window == 0 && (double)r->sent < 0.99 * r->offered_per_s * r->seconds)
		fprintf(out,
			"beware: only %.0f requests/s of %.0f were sent: the generator is the "
			"bottleneck\n",
			(double)r->sent / r->seconds, r->offered_per_s);
	else if (lag_ns * 2 > mr_hist_quantile(r->latency_ns, 0.99))
		fprintf(out,
			"beware: much of the latency is the generator's: it lagged %s behind at "
			"p99 "
			"(--spin, a lower rate, a CPU of its own)\n",
			blast_time(lag_ns, text, sizeof(text)));
	if (r->window > 0)
		fprintf(out, "beware: a closed loop asks less when the server is slow: its latency "
			     "leaves stalls out (see --rate)\n");
}

static void print_result(const struct blast_result *r, FILE *out)
{
	fprintf(out,
		"sent %" PRIu64 ", answered %" PRIu64 " (%.0f/s), late %" PRIu64 ", lost %" PRIu64
		" (%.4f %%)\n",
		r->sent, r->answered, blast_answered_per_s(r), r->late, r->lost,
		100 * blast_lost_share(r));
	if (r->window == 0)
		print_latency("latency, from when due", r->latency_ns, out);
	print_latency("latency, from when sent", r->service_ns, out);
	if (r->window == 0)
		print_latency("lag of the generator", r->lag_ns, out);
	print_counts(r, out);
	print_doubts(r, out);
}

void blast_show_text(const struct blast_story *story, const struct blast_result *results,
	unsigned n_results, FILE *out)
{
	char limit[24];

	end_progress();
	if (story->p99_limit_ns == 0) {
		fprintf(out, "%s\n", story->title);
		print_result(&results[n_results - 1], out);
	} else if (story->knee_per_s > 0)
		fprintf(out, "knee: %.0f requests/s with p99 at most %s\n", story->knee_per_s,
			blast_time(story->p99_limit_ns, limit, sizeof(limit)));
	else
		fprintf(out, "no rate keeps p99 at or below %s\n",
			blast_time(story->p99_limit_ns, limit, sizeof(limit)));
}

// ---- JSON --------------------------------------------------------------------------------------

static json_t *number(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *latency_json(const struct mr_hist *h)
{
	json_t *json = json_object();

	json_object_set_new(json, "count", number(mr_hist_total(h)));
	json_object_set_new(json, "mean_ns", json_real(mr_hist_mean(h)));
	for (unsigned i = 0; i < MR_ARRAY_SIZE(quantiles); i++)
		json_object_set_new(
			json, quantiles[i].json, number(mr_hist_quantile(h, quantiles[i].q)));
	json_object_set_new(json, "max_ns", number(h->max));
	return json;
}

static json_t *bins_json(const struct blast_result *r)
{
	json_t *json = json_array();

	for (unsigned i = 0; i < r->n_bins; i++) {
		const struct blast_bin *b = &r->bins[i];

		json_array_append_new(json,
			json_pack("{s:f,s:f,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "start_s",
				b->start_s, "seconds", b->seconds, "sent", (json_int_t)b->sent,
				"answered", (json_int_t)b->answered, "late", (json_int_t)b->late,
				"lost", (json_int_t)b->lost, "shed", (json_int_t)b->shed, "p50_ns",
				(json_int_t)b->p50_ns, "p99_ns", (json_int_t)b->p99_ns, "max_ns",
				(json_int_t)b->max_ns));
	}
	return json;
}

static json_t *result_json(const struct blast_result *r)
{
	json_t *statuses = json_object(), *refused = json_object();

	for (unsigned i = 0; i < MR_STATUS_COUNT; i++)
		json_object_set_new(
			statuses, mr_status_name((enum mr_status)i), number(r->statuses[i]));
	for (unsigned i = 1; i < MR_WIRE_RESULT_COUNT; i++)
		json_object_set_new(refused, mr_wire_result_name((enum mr_wire_result)i),
			number(r->results[i]));
	return json_pack(
		"{s:s,s:f,s:I,s:f,s:I,s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "loop",
		r->window > 0 ? "closed" : "open", "offered_per_s", r->offered_per_s, "window",
		(json_int_t)r->window, "seconds", r->seconds, "sent", (json_int_t)r->sent,
		"answered", (json_int_t)r->answered, "answered_per_s", blast_answered_per_s(r),
		"late", (json_int_t)r->late, "lost", (json_int_t)r->lost, "shed",
		(json_int_t)blast_shed(r), "stray", (json_int_t)r->stray, "malformed",
		(json_int_t)r->malformed, "latency", latency_json(r->latency_ns), "service",
		latency_json(r->service_ns), "lag", latency_json(r->lag_ns), "statuses", statuses,
		"refused", refused, "bins", bins_json(r));
}

void blast_show_json(const struct blast_story *story, const struct blast_result *results,
	unsigned n_results, FILE *out)
{
	json_t *runs = json_array(), *json;

	end_progress();
	for (unsigned i = 0; i < n_results; i++)
		json_array_append_new(runs, result_json(&results[i]));
	json = json_pack("{s:s,s:s,s:I,s:f,s:I,s:o}", "title", story->title, "command",
		story->command, "when_us", (json_int_t)story->when_us, "knee_per_s",
		story->knee_per_s, "p99_limit_ns", (json_int_t)story->p99_limit_ns, "runs", runs);
	if (json != NULL)
		json_dumpf(json, out, JSON_COMPACT);
	fputc('\n', out);
	json_decref(json);
}
