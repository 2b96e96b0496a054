// SPDX-License-Identifier: BSD-3-Clause
#include "mr_config_priv.h"

#include <string.h>

static bool begins_section(unsigned i)
{
	return i == 0 || strcmp(mr_config_keys[i].section, mr_config_keys[i - 1].section) != 0;
}

// ---- values
// --------------------------------------------------------------------------------------

static void print_key(const struct mr_config *config, const struct mr_config_port *port,
	const struct mr_config_key *key, FILE *out)
{
	char text[MR_CONFIG_TEXT_BYTES];

	mr_config_value(config, port, key, text, sizeof(text));
	fprintf(out, "%s =%s%s\n", key->key, text[0] != '\0' ? " " : "", text);
}

static void print_port(const struct mr_config *config, const struct mr_config_port *port, FILE *out)
{
	fprintf(out, "\n[port %s]\n", port->name);
	for (unsigned i = 0; i < mr_config_n_keys; i++)
		if (mr_config_is_port_key(&mr_config_keys[i]))
			print_key(config, port, &mr_config_keys[i], out);
}

void mr_config_print(const struct mr_config *config, FILE *out)
{
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];

		if (!mr_config_is_port_key(key)) {
			if (begins_section(i))
				fprintf(out, "%s[%s]\n", i > 0 ? "\n" : "", key->section);
			print_key(config, NULL, key, out);
		} else if (begins_section(i)) {
			for (unsigned p = 0; p < config->n_ports; p++)
				print_port(config, &config->ports[p], out);
		}
	}
}

// ---- changes
// -------------------------------------------------------------------------------------

static const struct mr_config_port *port_named(const struct mr_config *config, const char *name)
{
	for (unsigned i = 0; i < config->n_ports; i++)
		if (strcmp(config->ports[i].name, name) == 0)
			return &config->ports[i];
	return NULL;
}

static unsigned print_change(const struct mr_config *from, const struct mr_config_port *from_port,
	const struct mr_config *to, const struct mr_config_port *to_port,
	const struct mr_config_key *key, FILE *out)
{
	char was[MR_CONFIG_TEXT_BYTES], is[MR_CONFIG_TEXT_BYTES];

	mr_config_value(from, from_port, key, was, sizeof(was));
	mr_config_value(to, to_port, key, is, sizeof(is));
	if (strcmp(was, is) == 0)
		return 0;
	fprintf(out, "[%s%s%s] %s = %s (was %s)%s\n", key->section, to_port != NULL ? " " : "",
		to_port != NULL ? to_port->name : "", key->key, is, was,
		key->reloadable ? "" : ": at the next start");
	return 1;
}

static unsigned print_port_changes(
	const struct mr_config *from, const struct mr_config *to, FILE *out)
{
	unsigned n = 0;

	for (unsigned p = 0; p < from->n_ports; p++)
		if (port_named(to, from->ports[p].name) == NULL)
			n += fprintf(out, "[port %s] removed: at the next start\n",
				     from->ports[p].name) > 0;
	for (unsigned p = 0; p < to->n_ports; p++) {
		const struct mr_config_port *is = &to->ports[p], *was = port_named(from, is->name);

		if (was == NULL)
			n += fprintf(out, "[port %s] added: at the next start\n", is->name) > 0;
		for (unsigned i = 0; was != NULL && i < mr_config_n_keys; i++)
			if (mr_config_is_port_key(&mr_config_keys[i]))
				n += print_change(from, was, to, is, &mr_config_keys[i], out);
	}
	return n;
}

unsigned mr_config_print_changes(
	const struct mr_config *from, const struct mr_config *to, FILE *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		if (!mr_config_is_port_key(&mr_config_keys[i]))
			n += print_change(from, NULL, to, NULL, &mr_config_keys[i], out);
		else if (begins_section(i))
			n += print_port_changes(from, to, out);
	}
	return n;
}

// ---- documents
// -----------------------------------------------------------------------------------

// What a key takes, in a word or two.
static const char *type_text(const struct mr_config_key *key)
{
	static const char *const texts[] = {
		[MR_CONFIG_TEXT] = "text",
		[MR_CONFIG_CPUS] = "CPUs",
		[MR_CONFIG_ADDRESSES] = "addresses",
		[MR_CONFIG_SWITCH] = "switch",
		[MR_CONFIG_CHOICE] = "choice",
		[MR_CONFIG_COUNT] = "number",
		[MR_CONFIG_BYTES] = "size",
		[MR_CONFIG_DURATION] = "duration",
		[MR_CONFIG_RATIO] = "ratio",
	};

	return texts[key->type];
}

static void print_row(const struct mr_config_key *key, FILE *out)
{
	char range[256];

	mr_config_range_text(key, range, sizeof(range));
	fprintf(out, "| `%s` | %s%s%s%s | %s | ", key->key, type_text(key),
		key->unit != NULL ? " (" : "", key->unit != NULL ? key->unit : "",
		key->unit != NULL ? ")" : "", range);
	if (key->initial == NULL)
		fprintf(out, "required; example `%s`", key->example);
	else if (key->initial[0] == '\0')
		fprintf(out, "empty");
	else
		fprintf(out, "`%s`", key->initial);
	fprintf(out, " | %s | %s |\n", key->reloadable ? "yes" : "no", key->help);
}

void mr_config_print_markdown(FILE *out)
{
	fprintf(out, "# Configuration\n"
		     "\n"
		     "`millraced -c FILE` reads one INI file. `millraced --check -c FILE` "
		     "validates it and\n"
		     "exits; `millrace ctl reload` and SIGHUP read it again: the keys marked "
		     "*reload* change\n"
		     "at once, the others are named and change at the next start. A file with an "
		     "unknown\n"
		     "section or key, a value out of range or a key given twice changes nothing: "
		     "the message\n"
		     "names file, line and value.\n"
		     "\n"
		     "    # comment\n"
		     "    [section]\n"
		     "    key = value        ; comment\n"
		     "\n"
		     "Sizes take K, M, G or T (powers of 1024), durations us, ms, s, m, h, d or w. "
		     "Every\n"
		     "section and key may be left out unless it is required. `deploy/millrace.ini` "
		     "is this\n"
		     "page as a file to start from.\n"
		     "\n"
		     "This page is printed from the table in `lib/ctl/mr_config_table.c`; a test "
		     "compares\n"
		     "them.\n");
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const char *section = mr_config_keys[i].section;

		if (begins_section(i))
			fprintf(out,
				"\n## [%s%s]\n\n%s\n\n"
				"| key | type | range | default | reload | meaning |\n"
				"|---|---|---|---|---|---|\n",
				section, mr_config_is_port_key(&mr_config_keys[i]) ? " NAME" : "",
				mr_config_section_help(section));
		print_row(&mr_config_keys[i], out);
	}
}

// Writes text as comment lines of at most 98 columns.
static void print_comment(const char *text, FILE *out)
{
	size_t column = 0;

	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (column == 0 || column + 1 + word > 98)
			column = (size_t)fprintf(out, "%s#", column > 0 ? "\n" : "") - (column > 0);
		column += (size_t)fprintf(out, " %.*s", (int)word, text);
		text += word;
		text += strspn(text, " ");
	}
	fprintf(out, "\n");
}

void mr_config_print_annotated(FILE *out)
{
	char text[768], range[256];

	fprintf(out, "# The configuration of millraced, with every key. Lines that start with '#' "
		     "and a key show its\n# default. See docs/configuration.md.\n");
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];
		const char *value = key->initial != NULL ? key->initial : key->example;

		if (begins_section(i)) {
			fprintf(out, "\n");
			print_comment(mr_config_section_help(key->section), out);
			fprintf(out, "[%s%s]\n", key->section,
				mr_config_is_port_key(key) ? " front" : "");
		}
		mr_config_range_text(key, range, sizeof(range));
		snprintf(text, sizeof(text), "%s (%s%s%s%s)", key->help, range,
			key->unit != NULL ? "; " : "", key->unit != NULL ? key->unit : "",
			key->reloadable ? "; reload" : "");
		fprintf(out, "\n");
		print_comment(text, out);
		fprintf(out, "%s%s =%s%s\n", key->initial != NULL ? "#" : "", key->key,
			value[0] != '\0' ? " " : "", value);
	}
}
