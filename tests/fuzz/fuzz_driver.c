// SPDX-License-Identifier: BSD-3-Clause
//
// A drivers-cfg file: any text is either read or refused with a message that names the file.
#include "mr_driver.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_driver driver = {.mtu_max_bytes = 12345};
	struct mr_err err = {""};
	char names[40] = "";
	char *text = malloc(size > 0 ? size : 1);
	int found;

	memcpy(text, data, size);
	found = mr_driver_read(
		&driver, "fuzz.ini", text, size, "net_tap", names, sizeof(names), &err);
	free(text);
	if (found < 0 && (strstr(err.text, "fuzz.ini") == NULL || driver.mtu_max_bytes != 12345))
		abort();
	if (found == 1 && strcmp(driver.driver, "net_tap") != 0)
		abort();
	return 0;
}
