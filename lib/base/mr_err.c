// SPDX-License-Identifier: BSD-3-Clause
#include "mr_err.h"

#include <stdio.h>
#include <string.h>

int mr_vfail(struct mr_err *err, int errnum, const char *fmt, va_list args)
{
	if (err != NULL)
		vsnprintf(err->text, sizeof(err->text), fmt, args);
	return -errnum;
}

int mr_fail(struct mr_err *err, int errnum, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = mr_vfail(err, errnum, fmt, args);
	va_end(args);
	return ret;
}

void mr_err_prefix(struct mr_err *err, const char *fmt, ...)
{
	struct mr_err joined;
	va_list args;
	int n;

	if (err == NULL)
		return;
	va_start(args, fmt);
	n = vsnprintf(joined.text, sizeof(joined.text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(joined.text))
		return;
	snprintf(joined.text + n, sizeof(joined.text) - (size_t)n, "%s", err->text);
	*err = joined;
}
