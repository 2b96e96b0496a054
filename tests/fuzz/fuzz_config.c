// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the configuration: any text is refused with a message, or accepted and then what
// is printed of it reads back as the same. Built with clang -fsanitize=fuzzer,address it is a
// libFuzzer program; tests/unit/ctl replays its corpus without clang.

#include <stdlib.h>
#include <string.h>

#include "mr_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mr_config config, again;
	struct mr_err err = {""};
	char *text = NULL;
	size_t bytes;
	FILE *out;

	if (mr_config_parse(&config, "fuzz", (const char *)data, size, &err) < 0) {
		if (strncmp(err.text, "fuzz:", 5) != 0)
			abort();
		return 0;
	}
	out = open_memstream(&text, &bytes);
	if (out == NULL)
		abort();
	mr_config_print(&config, out);
	fclose(out);
	if (mr_config_parse(&again, "again", text, bytes, &err) < 0 ||
		memcmp(&config, &again, sizeof(config)) != 0)
		abort();
	free(text);
	return 0;
}
