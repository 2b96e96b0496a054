// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What the sources of the catalog share: printing into a sink. Stateless.
 */

#include "mr_catalog.h"
#include "mr_row_impl.h"

void mr_catalog_put_set(struct mr_sink *sink, const struct mr_schema *schema);

/** The [view] section alone; nothing for a set's own view. */
void mr_catalog_put_view(struct mr_sink *sink, const struct mr_view *view);

/** "u64", or "user:u64, site:string". */
void mr_catalog_put_key(struct mr_sink *sink, const struct mr_schema *schema);
