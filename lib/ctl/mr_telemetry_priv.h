// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Groups of telemetry: a command, the blocks of fields that its reply is made of, and the function
 * that fills it. One file per subject (mr_telemetry_*.c); mr_telemetry.c registers and documents
 * them. What a reply says goes through mr_tel_fields(), so that no field escapes the document.
 */

#include <rte_telemetry.h>

#include "mr_ctl_priv.h"
#include "mr_telemetry.h"

enum mr_tel_kind {
	MR_TEL_U64,
	MR_TEL_U32,
	MR_TEL_U16,
	MR_TEL_BOOL,
	MR_TEL_TEXT,    // char array in the struct
	MR_TEL_POINTER, // const char * in the struct
};

/** One field of a reply, and where its value is in the struct that a group fills first. */
struct mr_tel_field {
	const char *name;
	enum mr_tel_kind kind;
	const char *unit;
	const char *help;
	size_t offset;
};

#define MR_TEL(type, member, field_kind, field_unit, field_help)      \
	{                                                             \
#member, MR_TEL_##field_kind, field_unit, field_help, \
			offsetof(struct type, member)                 \
	}

/** Fields that stand together: at the top of the reply, or in a dictionary of their own. */
struct mr_tel_block {
	const char *path; // of the dictionary: "node<N>", "sum"; "" for the top
	const char *help;
	const struct mr_tel_field *fields;
	unsigned n_fields;
};

struct mr_tel_group {
	const char *command;
	const char *params; // what may follow the comma; "" for nothing
	const char *help;   // less than 128 bytes
	const struct mr_tel_block *blocks;
	unsigned n_blocks;
	/** @return 0, or -errno: the reply is null. */
	int (*fill)(struct mr_ctl *ctl, const char *params, struct rte_tel_data *d);
};

extern const struct mr_tel_group mr_tel_info, mr_tel_ports, mr_tel_config;
extern const struct mr_tel_group mr_tel_lcores, mr_tel_drops, mr_tel_latency, mr_tel_cells,
	mr_tel_ages;
extern const struct mr_tel_group mr_tel_cache, mr_tel_bloom, mr_tel_store, mr_tel_handoff,
	mr_tel_memory;
extern const struct mr_tel_group mr_tel_sets, mr_tel_views, mr_tel_slow, mr_tel_clients;

/** Adds the fields of @p base. @return 0 or -errno. */
int mr_tel_fields(struct rte_tel_data *d, const struct mr_tel_block *block, const void *base);

/** Adds text, made fit for a JSON string that DPDK 22.11 does not escape. */
int mr_tel_text(struct rte_tel_data *d, const char *name, const char *text);

/** A dictionary inside @p d; belongs to it. @return NULL and errno. */
struct rte_tel_data *mr_tel_child(struct rte_tel_data *d, const char *name);

/** mr_tel_child() and mr_tel_fields() in one. */
int mr_tel_child_fields(struct rte_tel_data *d, const char *name, const struct mr_tel_block *block,
	const void *base);

/** An array of texts inside @p d; belongs to it. @return NULL and errno. */
struct rte_tel_data *mr_tel_texts(struct rte_tel_data *d, const char *name);

/** An array of numbers inside @p d; belongs to it. @return NULL and errno. */
struct rte_tel_data *mr_tel_numbers(struct rte_tel_data *d, const char *name);

/** Reads "" or NULL as 0 and digits as a number. @return 0 or -EINVAL. */
int mr_tel_number(const char *params, uint64_t *ret_number);

/**
 * Reads "rx3" or "io0".
 * @return 1 with role and index; 0: there is no parameter; -EINVAL: no such lcore.
 */
int mr_tel_lcore(
	const struct mr_ctl *ctl, const char *params, enum mr_role *ret_role, unsigned *ret_index);
