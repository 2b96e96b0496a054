// SPDX-License-Identifier: BSD-3-Clause
//
// The admin verb that breaks things on purpose: only in builds with -Dfault_injection=true.
#include "mr_ctl_fault.h"

#ifdef MR_FAULT_INJECTION

#include "mr_store_fault.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static const char *const points[MR_STORE_FAULT_POINTS] = {
	[MR_STORE_FAULT_OPEN] = "open",
	[MR_STORE_FAULT_READ] = "read",
	[MR_STORE_FAULT_SCAN] = "scan",
	[MR_STORE_FAULT_COMMIT] = "commit",
	[MR_STORE_FAULT_SYNC] = "sync",
	[MR_STORE_FAULT_FLUSH] = "flush",
	[MR_STORE_FAULT_BULK] = "bulk",
	[MR_STORE_FAULT_COMPACT] = "compact",
};

static void all_off(void)
{
	for (int i = 0; i < MR_STORE_FAULT_POINTS; i++) {
		mr_store_fault_arm((enum mr_store_fault_point)i, 1, 0, 0);
		mr_store_fault_slow((enum mr_store_fault_point)i, 0);
	}
	// why relaxed: the next calibration sees it, or the one after.
	atomic_store_explicit(&mr_clock_fault_us, 0, memory_order_relaxed);
}

static int find_point(const char *name)
{
	for (int i = 0; i < MR_STORE_FAULT_POINTS; i++)
		if (strcmp(points[i], name) == 0)
			return i;
	return -1;
}

int mr_ctl_fault(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg)
{
	char what[32] = "", how[32] = "", value[32] = "";
	long long seconds;
	uint64_t us;
	int point;

	(void)arg;
	sscanf(r->args, "%31s %31s %31s", what, how, value);
	point = find_point(what);
	if (strcmp(what, "off") == 0) {
		all_off();
	} else if (strcmp(what, "clock") == 0 && sscanf(how, "%lld", &seconds) == 1) {
		atomic_store_explicit(
			&mr_clock_fault_us, seconds * (int64_t)MR_US_PER_S, memory_order_relaxed);
	} else if (point >= 0 && strcmp(how, "fail") == 0) {
		mr_store_fault_arm((enum mr_store_fault_point)point, 1, UINT64_MAX, EIO);
	} else if (point >= 0 && strcmp(how, "slow") == 0 &&
		   mr_parse_duration_us(value, &us) == 0) {
		mr_store_fault_slow((enum mr_store_fault_point)point, us);
	} else {
		return mr_fail(err, EINVAL,
			"fault %s: want off, clock SECONDS, or one of open, read, scan, commit, "
			"sync, flush, bulk, compact with fail or slow DURATION",
			r->args);
	}
	fprintf(out, "fault: %s\n", r->args);
	return 0;
}

#endif
