// SPDX-License-Identifier: BSD-3-Clause
#include "mr_counters.h"
#include "mr_env.h"
#include "mr_reason.h"

const char *mr_reason_name(enum mr_reason reason)
{
	static const char *const names[] = {
#define X(name, help) #name,
		MR_REASONS(X)
#undef X
	};
	static_assert(MR_ARRAY_SIZE(names) == MR_REASON_COUNT, "a name for each reason");

	return (unsigned)reason < MR_REASON_COUNT ? names[reason] : "none";
}

const char *mr_reason_help(enum mr_reason reason)
{
	static const char *const helps[] = {
#define X(name, help) help,
		MR_REASONS(X)
#undef X
	};

	return (unsigned)reason < MR_REASON_COUNT ? helps[reason] : "";
}

const char *mr_stage_name(enum mr_stage stage)
{
	static const char *const names[] = {
#define X(name, help) #name,
		MR_STAGES(X)
#undef X
	};

	return (unsigned)stage < MR_STAGE_COUNT ? names[stage] : "none";
}

const char *mr_stage_help(enum mr_stage stage)
{
	static const char *const helps[] = {
#define X(name, help) help,
		MR_STAGES(X)
#undef X
	};

	return (unsigned)stage < MR_STAGE_COUNT ? helps[stage] : "";
}

const char *mr_io_stage_name(enum mr_io_stage stage)
{
	static const char *const names[] = {
#define X(name, help) #name,
		MR_IO_STAGES(X)
#undef X
	};

	return (unsigned)stage < MR_IO_STAGE_COUNT ? names[stage] : "none";
}

const char *mr_io_stage_help(enum mr_io_stage stage)
{
	static const char *const helps[] = {
#define X(name, help) help,
		MR_IO_STAGES(X)
#undef X
	};

	return (unsigned)stage < MR_IO_STAGE_COUNT ? helps[stage] : "";
}

const char *mr_role_name(enum mr_role role)
{
	static const char *const names[MR_ROLE_COUNT] = {"control", "rx", "io"};

	return (unsigned)role < MR_ROLE_COUNT ? names[role] : "none";
}
