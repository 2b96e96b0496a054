// SPDX-License-Identifier: BSD-3-Clause

#include "mr_wire.h"

// What a newer peer sends may be beyond the tables: every look-up is bounded.
#define NAME_OF(table, i) \
	((size_t)(i) < MR_ARRAY_SIZE(table) && (table)[i] ? (table)[i] : "unknown")

static const char *const op_names[MR_WIRE_OP_COUNT] = {
	[MR_WIRE_OP_HELLO] = "hello",
	[MR_WIRE_OP_PING] = "ping",
	[MR_WIRE_OP_GET] = "get",
	[MR_WIRE_OP_PUT] = "put",
	[MR_WIRE_OP_DELETE] = "delete",
	[MR_WIRE_OP_DESCRIBE] = "describe",
};

static const char *const result_names[MR_WIRE_RESULT_COUNT] = {
	[MR_WIRE_RESULT_OK] = "ok",
	[MR_WIRE_RESULT_MALFORMED] = "malformed",
	[MR_WIRE_RESULT_BAD_VERSION] = "bad_version",
	[MR_WIRE_RESULT_UNKNOWN_OP] = "unknown_op",
	[MR_WIRE_RESULT_UNKNOWN_VIEW] = "unknown_view",
	[MR_WIRE_RESULT_UNSUPPORTED] = "unsupported",
	[MR_WIRE_RESULT_STALE_LAYOUT] = "stale_layout",
	[MR_WIRE_RESULT_COOKIE_NEEDED] = "cookie_needed",
	[MR_WIRE_RESULT_DENIED] = "denied",
	[MR_WIRE_RESULT_TOO_LATE] = "too_late",
	[MR_WIRE_RESULT_BUSY] = "busy",
};

static const char *const status_names[MR_STATUS_COUNT] = {
	[MR_STATUS_OK] = "ok",
	[MR_STATUS_NOT_FOUND] = "not_found",
	[MR_STATUS_EXPIRED] = "expired",
	[MR_STATUS_BUSY] = "busy",
	[MR_STATUS_DEGRADED] = "degraded",
	[MR_STATUS_ERROR] = "error",
	[MR_STATUS_SUPERSEDED] = "superseded",
	[MR_STATUS_BAD_KEY] = "bad_key",
	[MR_STATUS_BAD_ROW] = "bad_row",
};

static const char *const defect_names[MR_WIRE_DEFECT_COUNT] = {
	[MR_WIRE_DEFECT_NONE] = "none",
	[MR_WIRE_DEFECT_TRUNCATED] = "truncated",
	[MR_WIRE_DEFECT_BAD_MAGIC] = "bad_magic",
	[MR_WIRE_DEFECT_BAD_VERSION] = "bad_version",
	[MR_WIRE_DEFECT_UNKNOWN_OP] = "unknown_op",
	[MR_WIRE_DEFECT_BAD_FLAGS] = "bad_flags",
	[MR_WIRE_DEFECT_NO_KEYS] = "no_keys",
	[MR_WIRE_DEFECT_KEY_LENGTH] = "key_length",
	[MR_WIRE_DEFECT_KEY_COUNT] = "key_count",
	[MR_WIRE_DEFECT_NOT_ZERO] = "not_zero",
	[MR_WIRE_DEFECT_ROW_LENGTH] = "row_length",
	[MR_WIRE_DEFECT_TRAILING] = "trailing",
	[MR_WIRE_DEFECT_FRAGMENT] = "fragment",
};

#define HELP(name, help) [MR_WIRE_DEFECT_##name] = help,
static const char *const defect_helps[] = {MR_WIRE_DEFECTS(HELP)};
#undef HELP

const char *mr_wire_op_name(enum mr_wire_op op)
{
	return NAME_OF(op_names, op);
}

const char *mr_wire_result_name(enum mr_wire_result result)
{
	return NAME_OF(result_names, result);
}

const char *mr_status_name(enum mr_status status)
{
	return NAME_OF(status_names, status);
}

const char *mr_wire_defect_name(enum mr_wire_defect defect)
{
	return NAME_OF(defect_names, defect);
}

const char *mr_wire_defect_help(enum mr_wire_defect defect)
{
	return NAME_OF(defect_helps, defect);
}

enum mr_wire_result mr_wire_defect_result(enum mr_wire_defect defect)
{
	switch (defect) {
	case MR_WIRE_DEFECT_NONE:
		return MR_WIRE_RESULT_OK;
	case MR_WIRE_DEFECT_BAD_VERSION:
		return MR_WIRE_RESULT_BAD_VERSION;
	case MR_WIRE_DEFECT_UNKNOWN_OP:
		return MR_WIRE_RESULT_UNKNOWN_OP;
	case MR_WIRE_DEFECT_BAD_FLAGS:
		return MR_WIRE_RESULT_UNSUPPORTED;
	default:
		return MR_WIRE_RESULT_MALFORMED;
	}
}
