// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The one error idiom. Functions return 0 or -errno, creators NULL with errno set; where a person
 * must act on the failure, a caller-owned struct mr_err receives one line that says what, where
 * (file, line, value) and what to do. Libraries never print it: the application does, once.
 */

#include <stdarg.h>
#include <stdint.h>

#include "mr_cc.h"

#define MR_ERR_TEXT_BYTES 512

/** One message for a person. Owner: the caller. Empty text: no message. */
struct mr_err {
	char text[MR_ERR_TEXT_BYTES];
};

/**
 * Formats a message into @p err.
 *
 * @param err
 *   Receives the text (truncated to its size); NULL is allowed and drops the text.
 * @param errnum
 *   A positive errno value.
 * @param fmt
 *   printf format; no trailing newline.
 * @return
 *   -errnum, so that callers write `return mr_fail(err, EINVAL, ...)`.
 */
int mr_fail(struct mr_err *err, int errnum, const char *fmt, ...) mr_printf(3, 4);

/** As mr_fail() with a va_list. */
int mr_vfail(struct mr_err *err, int errnum, const char *fmt, va_list args) mr_printf(3, 0);

/** Puts "WHERE: " in front of the text that @p err already has. NULL is allowed. */
void mr_err_prefix(struct mr_err *err, const char *fmt, ...) mr_printf(2, 3);
