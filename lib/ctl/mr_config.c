// SPDX-License-Identifier: BSD-3-Clause
#include "mr_config.h"

#include "mr_config_priv.h"
#include "mr_ini.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 128u
#define SECTIONS_MAX 32u

// A configuration being read, and where each key was found.
struct reading {
	struct mr_config config;
	const char *file;
	struct {
		char name[64];
		unsigned line;
	} sections[SECTIONS_MAX];
	unsigned n_sections;
	struct mr_config_port *port; // of the section being read; NULL outside [port NAME]
	unsigned line[KEYS_MAX];     // by key: 0: not given
	unsigned port_line[MR_PORTS_MAX][KEYS_MAX];
};

static void set_initial(void *base, bool port_keys)
{
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];

		if (mr_config_is_port_key(key) == port_keys && key->initial != NULL)
			mr_config_value_parse(key, base, key->initial, NULL);
	}
}

void mr_config_init(struct mr_config *config)
{
	memset(config, 0, sizeof(*config));
	set_initial(config, false);
}

// ---- sections
// ------------------------------------------------------------------------------------

static bool is_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= sizeof(((struct mr_config_port *)0)->name))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	return true;
}

static int begin_port(
	struct reading *r, const struct mr_ini_item *item, const char *name, struct mr_err *err)
{
	if (!is_name(name))
		return mr_ini_fail(item, err, EINVAL,
			"want [port NAME], NAME of 1 to 31 letters, digits and '_'");
	if (r->config.n_ports == MR_PORTS_MAX)
		return mr_ini_fail(item, err, EINVAL, "more than %u ports", MR_PORTS_MAX);
	r->port = &r->config.ports[r->config.n_ports++];
	memcpy(r->port->name, name, strlen(name) + 1);
	set_initial(r->port, true);
	return 0;
}

static int begin_section(struct reading *r, const struct mr_ini_item *item, struct mr_err *err)
{
	const char *name = item->section;

	for (unsigned i = 0; i < r->n_sections; i++)
		if (strcmp(r->sections[i].name, name) == 0)
			return mr_ini_fail(item, err, EINVAL, "section was begun in line %u",
				r->sections[i].line);
	r->port = NULL;
	if (strcmp(name, "port") == 0 || strncmp(name, "port ", 5) == 0) {
		int ret;

		for (name += 4; *name == ' ';)
			name++;
		ret = begin_port(r, item, name, err);
		if (ret < 0)
			return ret;
		for (unsigned i = 0; i + 1 < r->config.n_ports; i++)
			if (strcmp(r->config.ports[i].name, name) == 0)
				return mr_ini_fail(
					item, err, EINVAL, "there is a port of that name");
	} else if (mr_config_section_help(name) == NULL) {
		return mr_ini_fail(item, err, EINVAL, "unknown section");
	}
	// Every section that gets here is known or a port: there are not more than fit.
	snprintf(r->sections[r->n_sections].name, sizeof(r->sections[0].name), "%s", item->section);
	r->sections[r->n_sections++].line = item->line;
	return 0;
}

// ---- keys
// ----------------------------------------------------------------------------------------

// The section's keys, for the message about one that does not exist.
static int unknown_key(const struct mr_ini_item *item, const char *section, struct mr_err *err)
{
	char keys[256] = "";
	size_t n = 0;

	for (unsigned i = 0; i < mr_config_n_keys; i++)
		if (strcmp(mr_config_keys[i].section, section) == 0 && n < sizeof(keys))
			n += (size_t)snprintf(keys + n, sizeof(keys) - n, "%s%s", n > 0 ? ", " : "",
				mr_config_keys[i].key);
	return mr_ini_fail(item, err, EINVAL, "unknown key; this section has %s", keys);
}

static int read_item(const struct mr_ini_item *item, void *arg, struct mr_err *err)
{
	struct reading *r = arg;
	const char *section;
	struct mr_err why;
	unsigned *line;
	unsigned i;

	if (item->key == NULL)
		return begin_section(r, item, err);
	section = r->port != NULL ? "port" : item->section;
	for (i = 0; i < mr_config_n_keys; i++)
		if (strcmp(mr_config_keys[i].section, section) == 0 &&
			strcmp(mr_config_keys[i].key, item->key) == 0)
			break;
	if (i == mr_config_n_keys)
		return unknown_key(item, section, err);
	line = r->port != NULL ? &r->port_line[r->config.n_ports - 1][i] : &r->line[i];
	if (*line != 0)
		return mr_ini_fail(item, err, EINVAL, "was set in line %u", *line);
	*line = item->line;
	if (mr_config_value_parse(&mr_config_keys[i],
		    r->port != NULL ? (void *)r->port : (void *)&r->config, item->value, &why) < 0)
		return mr_ini_fail(item, err, EINVAL, "%s", why.text);
	return 0;
}

// ---- the whole file
// ------------------------------------------------------------------------------

// Line of a key, for messages about the whole; 0 when it has its default.
static unsigned line_of(const struct reading *r, int port, const char *section, const char *name)
{
	for (unsigned i = 0; i < mr_config_n_keys; i++)
		if (strcmp(mr_config_keys[i].section, section) == 0 &&
			strcmp(mr_config_keys[i].key, name) == 0)
			return port < 0 ? r->line[i] : r->port_line[port][i];
	return 0;
}

static int check_required(const struct reading *r, struct mr_err *err)
{
	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];

		if (key->initial != NULL)
			continue;
		if (!mr_config_is_port_key(key) && r->line[i] == 0)
			return mr_fail(err, EINVAL, "%s: [%s] %s is required, for example %s = %s",
				r->file, key->section, key->key, key->key, key->example);
		for (unsigned p = 0; mr_config_is_port_key(key) && p < r->config.n_ports; p++)
			if (r->port_line[p][i] == 0)
				return mr_fail(err, EINVAL,
					"%s: [port %s] %s is required, for example %s = %s",
					r->file, r->config.ports[p].name, key->key, key->key,
					key->example);
	}
	if (r->config.n_ports == 0)
		return mr_fail(err, EINVAL,
			"%s: no [port NAME]: at least one is required, with its device", r->file);
	return 0;
}

// No device twice: neither at an earlier port, nor at both sides of this one.
static int check_device(const struct reading *r, unsigned i, bool is_kernel, struct mr_err *err)
{
	const struct mr_config_port *port = &r->config.ports[i];
	const char *key = is_kernel ? "kernel_device" : "device";
	const char *device = is_kernel ? port->kernel_device : port->device;

	for (unsigned j = 0; j <= i; j++) {
		const struct mr_config_port *other = &r->config.ports[j];

		if ((j < i && other->kernel_device[0] != '\0' &&
			    mr_port_same_device(other->kernel_device, device)) ||
			((j < i || is_kernel) && mr_port_same_device(other->device, device)))
			return mr_fail(err, EINVAL,
				"%s:%u: [port %s] %s = %.200s: is that of [port %s]", r->file,
				line_of(r, (int)i, "port", key), port->name, key, device,
				other->name);
	}
	return 0;
}

static int check_ports(const struct reading *r, struct mr_err *err)
{
	int ret;

	for (unsigned i = 0; i < r->config.n_ports; i++) {
		const struct mr_config_port *port = &r->config.ports[i];

		if (port->mtu_bytes != 0 && port->mtu_bytes < 1280)
			return mr_fail(err, EINVAL,
				"%s:%u: [port %s] mtu = %u: 0 or at least 1280, as IPv6 asks",
				r->file, line_of(r, (int)i, "port", "mtu"), port->name,
				(unsigned)port->mtu_bytes);
		ret = check_device(r, i, false, err);
		if (ret == 0 && port->kernel_device[0] != '\0')
			ret = check_device(r, i, true, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

// What other keys set must not be set behind their back.
static int check_eal_args(const struct reading *r, struct mr_err *err)
{
	static const struct {
		const char *arg, *instead;
	} refused[] = {
		{"-l", "[lcores]"},
		{"-c", "[lcores]"},
		{"-s", "[lcores]"},
		{"-S", "[lcores]"},
		{"--lcores", "[lcores]"},
		{"--main-lcore", "[lcores]"},
		{"--proc-type", "nothing: there is one process"},
		{"--no-huge", "[memory] huge"},
		{"-m", "[memory] total"},
		{"--file-prefix", "[memory] file_prefix"},
		{"--no-telemetry", "nothing: telemetry is how the appliance is watched"},
	};
	const char *p = r->config.memory.eal_args;

	while (*(p += strspn(p, " \t")) != '\0') {
		size_t word = strcspn(p, " \t"), name = strcspn(p, " \t=");

		for (unsigned i = 0; i < MR_ARRAY_SIZE(refused); i++)
			if (strlen(refused[i].arg) == name && memcmp(refused[i].arg, p, name) == 0)
				return mr_fail(err, EINVAL,
					"%s:%u: [memory] eal_args: %s is not for here, use %s",
					r->file, line_of(r, -1, "memory", "eal_args"),
					refused[i].arg, refused[i].instead);
		p += word;
	}
	return 0;
}

static int check_whole(const struct reading *r, struct mr_err *err)
{
	const struct mr_config *c = &r->config;
	int ret = check_required(r, err);

	if (ret == 0)
		ret = check_ports(r, err);
	if (ret == 0)
		ret = check_eal_args(r, err);
	if (ret == 0 && strpbrk(c->memory.file_prefix, "/ \t,") != NULL)
		ret = mr_fail(err, EINVAL,
			"%s:%u: [memory] file_prefix = %s: must not hold blanks, '/' or ','",
			r->file, line_of(r, -1, "memory", "file_prefix"), c->memory.file_prefix);
	if (ret == 0 && c->filter.rebuild_above <= c->filter.fpr)
		ret = mr_fail(err, EINVAL,
			"%s:%u: [filter] rebuild_above = %g: must be above fpr, which is %g",
			r->file,
			MR_MAX(line_of(r, -1, "filter", "rebuild_above"),
				line_of(r, -1, "filter", "fpr")),
			c->filter.rebuild_above, c->filter.fpr);
	return ret;
}

int mr_config_parse(struct mr_config *config, const char *file, const char *text, size_t text_bytes,
	struct mr_err *err)
{
	struct reading *r = calloc(1, sizeof(*r));
	int ret;

	static_assert(SECTIONS_MAX >= MR_PORTS_MAX + 16, "a place for each section");
	if (r == NULL)
		return mr_fail(err, ENOMEM, "%s: out of memory", file);
	assert(mr_config_n_keys <= KEYS_MAX);
	r->file = file;
	mr_config_init(&r->config);
	ret = mr_ini_read(file, text, text_bytes, read_item, r, err);
	if (ret == 0)
		ret = check_whole(r, err);
	if (ret == 0)
		*config = r->config;
	free(r);
	return ret;
}

int mr_config_load(struct mr_config *config, const char *file, struct mr_err *err)
{
	FILE *in = fopen(file, "re");
	char *text = NULL;
	size_t n;
	int ret;

	if (in == NULL)
		return mr_fail(err, errno, "%s: %s", file, strerror(errno));
	text = malloc(MR_CONFIG_FILE_MAX_BYTES + 1);
	if (text == NULL) {
		ret = mr_fail(err, ENOMEM, "%s: out of memory", file);
		goto close_file;
	}
	errno = 0;
	n = fread(text, 1, MR_CONFIG_FILE_MAX_BYTES + 1, in);
	if (ferror(in))
		ret = mr_fail(err, errno != 0 ? errno : EIO, "%s: %s", file,
			strerror(errno != 0 ? errno : EIO));
	else if (n > MR_CONFIG_FILE_MAX_BYTES)
		ret = mr_fail(err, EINVAL, "%s: over %u bytes: not a configuration", file,
			MR_CONFIG_FILE_MAX_BYTES);
	else
		ret = mr_config_parse(config, file, text, n, err);
	free(text);
close_file:
	fclose(in);
	return ret;
}

void mr_config_take_reloadable(struct mr_config *to, const struct mr_config *from)
{
	char text[MR_CONFIG_TEXT_BYTES];

	for (unsigned i = 0; i < mr_config_n_keys; i++) {
		const struct mr_config_key *key = &mr_config_keys[i];

		if (!key->reloadable)
			continue;
		// A value always reads back as itself.
		mr_config_value(from, NULL, key, text, sizeof(text));
		mr_config_value_parse(key, to, text, NULL);
	}
}
