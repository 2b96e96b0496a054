// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The one reader of INI text: configuration, drivers-cfg and schemas. It hands over every line with
 * its number, so that errors can name file, line and value. It keeps no state and allocates nothing.
 *
 *     # comment            ; comment
 *     [section name]
 *     key = value to the end of the line, outer blanks removed
 *
 * A '#' or ';' that follows a blank inside a value starts a comment too. Lines end in LF or CRLF.
 * A line over 4095 bytes, a NUL byte, a key before the first section, a line that is none of these:
 * an error.
 */

#include "mr_err.h"

#define MR_INI_LINE_BYTES 4096

/** One thing found. Strings are zero-terminated and live only during the callback. */
struct mr_ini_item {
	const char *file;    //!< name given by the caller, for messages
	unsigned line;       //!< from 1
	const char *section; //!< whole text between the brackets, blanks trimmed
	const char *key;     //!< NULL when the item is the section header itself
	const char *value;   //!< NULL with key; may be empty
};

/** @return 0 to go on; -errno stops the reading, and mr_ini_read() returns it. */
typedef int (*mr_ini_fn)(const struct mr_ini_item *item, void *arg, struct mr_err *err);

/**
 * Reads INI text.
 *
 * @param file
 *   Name for messages.
 * @param text, text_bytes
 *   The text; needs no terminator.
 * @return
 *   0; -EINVAL with a message "FILE:LINE: ..." for bad syntax; what @p fn returned.
 */
int mr_ini_read(const char *file, const char *text, size_t text_bytes, mr_ini_fn fn, void *arg,
	struct mr_err *err);

/**
 * Message of the usual form: "FILE:LINE: [SECTION] KEY = VALUE: ...", the section and the key cut to
 * 60 characters and the value to 200. @return -errnum.
 */
int mr_ini_fail(const struct mr_ini_item *item, struct mr_err *err, int errnum, const char *fmt,
	...) mr_printf(4, 5);
