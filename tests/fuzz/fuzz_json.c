// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of the JSON lines reader.

#include "fuzz_rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_file(data, size, READER_JSONL, NULL);
	return 0;
}
