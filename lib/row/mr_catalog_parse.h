// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * What reading sections and building views share: the drafts of a text that is being read. All
 * memory is the arena's; a parser belongs to one thread.
 */

#include "mr_catalog_impl.h"
#include "mr_hash.h"
#include "mr_ini.h"

#include <string.h>

#define MR_PARSER_BUCKETS 1024u

struct mr_column_draft {
	struct mr_column_draft *next;
	struct mr_column column;
};

// A "columns =" line of a view, kept until all sets are known.
struct mr_line_draft {
	struct mr_line_draft *next;
	unsigned line;
	const char *value;
};

struct mr_section {
	struct mr_section *next, *next_in_bucket;
	const char *title; // "set user"
	const char *name;  // "user"
	unsigned line;
	bool is_view;
	unsigned given; // bits of enum set_key
	uint16_t id;
	struct mr_schema *schema;
	unsigned n_columns;
	struct mr_column_draft *columns, **columns_end;
	struct mr_line_draft *lines, **lines_end;
};

struct mr_parser {
	struct mr_arena *arena;
	const char *file;
	const struct mr_catalog *base; // NULL: none
	struct mr_catalog *catalog;
	struct mr_section *sections, **sections_end;
	struct mr_section *current;
	struct mr_section **buckets; // by name
};

static inline void *mr_parser_alloc(struct mr_parser *p, size_t bytes)
{
	return mr_arena_alloc(p->arena, bytes, 8);
}

static inline const char *mr_parser_text(struct mr_parser *p, const char *text, size_t bytes)
{
	return mr_arena_strdup(p->arena, text, bytes);
}

static inline bool mr_text_is(struct mr_text text, const char *word)
{
	return strlen(word) == text.bytes && memcmp(text.data, word, text.bytes) == 0;
}

static inline bool mr_text_is_name(struct mr_text text)
{
	if (text.bytes == 0 || text.bytes > MR_NAME_MAX_BYTES)
		return false;
	for (size_t i = 0; i < text.bytes; i++) {
		char c = text.data[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return true;
}

// Takes the text up to the next comma off a list. A list ends without a comma.
static inline struct mr_text mr_next_of_list(const char **list)
{
	const char *comma = strchr(*list, ',');
	size_t bytes = comma != NULL ? (size_t)(comma - *list) : strlen(*list);
	struct mr_text text = mr_text_trim(*list, bytes);

	*list = comma != NULL ? comma + 1 : NULL;
	return text;
}

static inline struct mr_section **mr_parser_bucket(struct mr_parser *p, const char *name)
{
	return &p->buckets[mr_hash_key(name, strlen(name)) % MR_PARSER_BUCKETS];
}

static inline struct mr_section *mr_parser_section(
	struct mr_parser *p, const char *name, bool is_view)
{
	for (struct mr_section *s = *mr_parser_bucket(p, name); s != NULL; s = s->next_in_bucket) {
		if (s->is_view == is_view && strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/**
 * Makes the views of the sections read, each set's own and the explicit ones, and lists everything.
 */
int mr_catalog_make_views(struct mr_parser *p, struct mr_err *err);
