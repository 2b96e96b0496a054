// SPDX-License-Identifier: BSD-3-Clause

#include "chart.h"

#include <math.h>

#define WIDTH 720.0
#define HEIGHT 300.0
#define LEFT 70.0
#define RIGHT 14.0
#define TOP 14.0
#define BOTTOM 42.0
#define TICKS 6

void html_text(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
}

// ---- axes --------------------------------------------------------------------------------------

static double place(const struct chart_axis *axis, double value)
{
	if (axis->is_log)
		return (log10(value) - log10(axis->min)) / (log10(axis->max) - log10(axis->min));
	return (value - axis->min) / (axis->max - axis->min);
}

static double x_of(const struct chart *chart, double x)
{
	return LEFT + place(&chart->x, x) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct chart *chart, double y)
{
	return HEIGHT - BOTTOM - place(&chart->y, y) * (HEIGHT - TOP - BOTTOM);
}

/** A round number of about range / TICKS. */
static double step_of(const struct chart_axis *axis)
{
	double rough = (axis->max - axis->min) / TICKS;
	double power = pow(10, floor(log10(rough)));

	if (axis->unit == CHART_NINES)
		return 1;
	return power * (rough / power < 1.5          ? 1
			       : rough / power < 3.5 ? 2
			       : rough / power < 7.5 ? 5
						     : 10);
}

static void widen(struct chart_axis *axis)
{
	double step;

	if (!(axis->max > axis->min))
		axis->max = axis->min > 0 ? axis->min * 2 : axis->min + 1;
	if (axis->is_log) {
		axis->min = pow(10, floor(log10(axis->min)));
		axis->max = pow(10, ceil(log10(axis->max)));
		return;
	}
	step = step_of(axis);
	axis->min = floor(axis->min / step) * step;
	if (axis->unit != CHART_NINES && axis->unit != CHART_SECONDS)
		axis->max = ceil(axis->max / step) * step;
}

static bool is_shown(const struct chart_axis *axis, double value)
{
	return isfinite(value) && (!axis->is_log || value > 0);
}

static void include(struct chart_axis *axis, double value)
{
	if (!is_shown(axis, value))
		return;
	axis->min = fmin(axis->min, value);
	axis->max = fmax(axis->max, value);
}

static void fit(struct chart_axis *axis)
{
	if (axis->min > axis->max)
		axis->min = axis->max = 1;
	widen(axis);
}

void chart_fit(struct chart *chart)
{
	chart->x.min = chart->y.min = INFINITY;
	chart->x.max = chart->y.max = -INFINITY;
	for (unsigned s = 0; s < chart->n_series; s++)
		for (unsigned i = 0; i < chart->series[s].n; i++) {
			include(&chart->x, chart->series[s].x[i]);
			include(&chart->y, chart->series[s].y[i]);
		}
	if (!chart->y.is_log)
		include(&chart->y, 0);
	fit(&chart->x);
	fit(&chart->y);
}

static void print_value(enum chart_unit unit, double v, FILE *out)
{
	static const char *const prefixes[] = {"", "k", "M", "G"};
	static const char *const times[] = {"ns", "us", "ms", "s"};
	unsigned i = 0;

	if (unit == CHART_NINES) {
		if (v < 0.5)
			fprintf(out, "0");
		else
			fprintf(out, "%.*f %%", (int)fmax(v - 2 + 0.5, 0), 100 - 100 * pow(10, -v));
		return;
	}
	if (unit == CHART_SECONDS) {
		fprintf(out, "%g s", v);
		return;
	}
	for (; v >= 1000 && i < 3; i++)
		v /= 1000;
	fprintf(out, "%g%s%s", v, unit == CHART_TIME ? " " : "",
		unit == CHART_TIME ? times[i] : prefixes[i]);
}

static void print_tick(const struct chart *chart, bool is_x, double v, bool has_text, FILE *out)
{
	double x1 = is_x ? x_of(chart, v) : LEFT, x2 = is_x ? x1 : WIDTH - RIGHT;
	double y1 = is_x ? TOP : y_of(chart, v), y2 = is_x ? HEIGHT - BOTTOM : y1;

	fprintf(out, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>",
		has_text ? "grid" : "faint", x1, y1, x2, y2);
	if (!has_text)
		return;
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", is_x ? x1 : LEFT - 6,
		is_x ? HEIGHT - BOTTOM + 16 : y1 + 4, is_x ? "middle" : "end");
	print_value(is_x ? chart->x.unit : chart->y.unit, v, out);
	fputs("</text>\n", out);
}

static void print_axis(const struct chart *chart, bool is_x, FILE *out)
{
	const struct chart_axis *axis = is_x ? &chart->x : &chart->y;
	double step;

	if (axis->is_log) {
		// Powers of ten, and 2 and 5 of them while there are few.
		double decades = log10(axis->max / axis->min);

		for (double v = axis->min; v <= axis->max * 1.001; v *= 10)
			for (int m = 1; m <= 9; m++)
				if (v * m <= axis->max * 1.001)
					print_tick(chart, is_x, v * m,
						m == 1 || (decades < 3.5 && (m == 2 || m == 5)),
						out);
		return;
	}
	step = step_of(axis);
	for (double v = axis->min; v <= axis->max + step / 1000; v += step)
		print_tick(chart, is_x, v, true, out);
}

// ---- lines -------------------------------------------------------------------------------------

static void print_series(const struct chart *chart, unsigned s, FILE *out)
{
	const struct chart_series *series = &chart->series[s];

	fprintf(out, "<polyline class=\"s%u\" points=\"", s);
	for (unsigned i = 0; i < series->n; i++)
		if (is_shown(&chart->x, series->x[i]) && is_shown(&chart->y, series->y[i]))
			fprintf(out, "%.1f,%.1f ", x_of(chart, series->x[i]),
				y_of(chart, series->y[i]));
	fputs("\"/>\n", out);
	if (series->n > 40)
		return;
	for (unsigned i = 0; i < series->n; i++)
		if (is_shown(&chart->x, series->x[i]) && is_shown(&chart->y, series->y[i]))
			fprintf(out, "<circle class=\"s%u\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>", s,
				x_of(chart, series->x[i]), y_of(chart, series->y[i]));
}

static void print_mark(const struct chart *chart, const struct chart_mark *mark, FILE *out)
{
	double x = mark->is_x ? x_of(chart, mark->at) : LEFT;
	double y = mark->is_x ? TOP : y_of(chart, mark->at);

	fprintf(out,
		"<line class=\"mark\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>"
		"<text class=\"mark\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">",
		x, y, mark->is_x ? x : WIDTH - RIGHT, mark->is_x ? HEIGHT - BOTTOM : y,
		mark->is_x ? x - 4 : WIDTH - RIGHT - 4, y + (mark->is_x ? 10 : -4), "end");
	html_text(mark->text, out);
	fputs("</text>\n", out);
}

static void print_legend(const struct chart *chart, FILE *out)
{
	fputs("<p class=\"legend\">", out);
	for (unsigned s = 0; s < chart->n_series; s++) {
		fprintf(out,
			"<span><svg viewBox=\"0 0 24 8\" width=\"24\" height=\"8\">"
			"<polyline class=\"s%u\" points=\"0,4 24,4\"/></svg> ",
			s);
		html_text(chart->series[s].name, out);
		fputs("</span> ", out);
	}
	fputs("</p>\n", out);
}

static void print_names(const struct chart *chart, FILE *out)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (WIDTH + LEFT) / 2,
		HEIGHT - 6);
	html_text(chart->x.name, out);
	fprintf(out,
		"</text><text class=\"side\" transform=\"translate(12 %.1f) rotate(-90)\" "
		"text-anchor=\"middle\">",
		(HEIGHT - BOTTOM + TOP) / 2);
	html_text(chart->y.name, out);
	fputs("</text>\n", out);
}

void chart_print(const struct chart *chart, FILE *out)
{
	fputs("<figure><h2>", out);
	html_text(chart->title, out);
	fprintf(out, "</h2>\n<svg viewBox=\"0 0 %g %g\" role=\"img\">\n", WIDTH, HEIGHT);
	print_axis(chart, true, out);
	print_axis(chart, false, out);
	print_names(chart, out);
	for (unsigned i = 0; i < chart->n_marks; i++)
		print_mark(chart, &chart->marks[i], out);
	for (unsigned s = 0; s < chart->n_series; s++)
		print_series(chart, s, out);
	fputs("</svg>\n", out);
	print_legend(chart, out);
	if (chart->note != NULL) {
		fputs("<figcaption>", out);
		html_text(chart->note, out);
		fputs("</figcaption>", out);
	}
	fputs("</figure>\n", out);
}
