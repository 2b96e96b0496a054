// SPDX-License-Identifier: BSD-3-Clause
//
// What a command line says about the requests to be made.

#include "blast.h"
#include "command.h"

#include <stdlib.h>
#include <string.h>

/** @return 0 or EXIT_USAGE; parts per million. */
static int option_percent(const struct invocation *inv, const char *name, unsigned *ret_ppm)
{
	const char *text = option(inv, name);
	double percent = 0;
	char *end;

	if (text != NULL) {
		percent = strtod(text, &end);
		if (end == text || (*end != '\0' && strcmp(end, "%") != 0) || !(percent >= 0) ||
			percent > 100)
			return usage_error(
				inv, "--%s '%s': a number from 0 to 100 is expected", name, text);
	}
	*ret_ppm = (unsigned)(percent * 10000 + 0.5);
	return 0;
}

static int option_zipf(const struct invocation *inv, double *ret_exponent)
{
	const char *text = option(inv, "zipf");
	char *end;

	*ret_exponent = 0;
	if (text == NULL)
		return 0;
	*ret_exponent = strtod(text, &end);
	if (end == text || *end != '\0' || !(*ret_exponent >= 0) || *ret_exponent > 10)
		return usage_error(inv, "--zipf '%s': a number from 0 to 10 is expected", text);
	return 0;
}

static int option_batch(const struct invocation *inv, struct blast_work *work)
{
	const char *text = option(inv, "batch");
	char *end;
	unsigned long min, max;

	work->batch_min = work->batch_max = 1;
	if (text == NULL)
		return 0;
	min = max = strtoul(text, &end, 10);
	if (end != text && *end == '-')
		max = strtoul(end + 1, &end, 10);
	if (*end != '\0' || min < 1 || max < min || max > MR_WIRE_KEYS_MAX)
		return usage_error(inv, "--batch '%s': N or N-M from 1 to %u is expected", text,
			MR_WIRE_KEYS_MAX);
	work->batch_min = (unsigned)min;
	work->batch_max = (unsigned)max;
	return 0;
}

int blast_work_options(const struct invocation *inv, struct blast_work *work)
{
	uint64_t deadline_us;
	int rc = option_u64(inv, "keys", 100000, &work->n_keys);

	if (rc == 0 && work->n_keys == 0)
		rc = usage_error(inv, "--keys 0: no keys to ask for");
	if (rc == 0)
		rc = option_zipf(inv, &work->zipf_exponent);
	if (rc == 0)
		rc = option_batch(inv, work);
	if (rc == 0)
		rc = option_percent(inv, "absent", &work->absent_ppm);
	if (rc == 0)
		rc = option_percent(inv, "writes", &work->write_ppm);
	if (rc == 0)
		rc = option_duration_us(inv, "deadline", 0, &deadline_us);
	if (rc == 0 && deadline_us > UINT32_MAX)
		rc = usage_error(inv, "--deadline is at most 71 minutes");
	if (rc == 0)
		work->deadline_us = (uint32_t)deadline_us;
	return rc;
}
