// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Admin verbs about the store, for the table in mr_ctl_verbs.c; their arg is the struct mr_ctl. All
 * but `tail` take long, and run on threads of their own.
 */

#include "mr_ctl_priv.h"

/** "bulk-begin SET VERSION LAYOUT ID" and what follows it: mr_bulk.h. */
int mr_ctl_bulk_begin(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);
int mr_ctl_bulk_rows(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);
int mr_ctl_bulk_part_end(
	const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);
int mr_ctl_bulk_finish(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);
int mr_ctl_bulk_abort(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "tail SET SEQUENCE": changes of a set from a sequence number on (0: from now on). */
int mr_ctl_tail(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "backup DIRECTORY": a copy of the store as it is now. */
int mr_ctl_backup(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "verify": reads everything, compares checksums. */
int mr_ctl_verify(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** "compact": every level of every column family. */
int mr_ctl_compact(const struct mr_admin_request *r, FILE *out, struct mr_err *err, void *arg);

/** Closes what the verbs keep open. */
void mr_ctl_store_done(struct mr_ctl *ctl);
