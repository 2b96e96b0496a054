// SPDX-License-Identifier: BSD-3-Clause
//
// Fuzz target of captures: the file, the frames in it, and the requests and replies in those.

#include "capture.h"
#include "pcap_show.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct capture_datagram datagram;
	struct capture_packet packet;
	struct capture *capture;
	struct mr_err err;
	static FILE *out;
	FILE *in;

	if (out == NULL)
		out = fopen("/dev/null", "w");
	if (size == 0)
		return 0;
	in = fmemopen((void *)(uintptr_t)data, size, "rb");
	if (in == NULL || out == NULL)
		abort();
	capture = capture_new(in, "fuzz", &err);
	while (capture != NULL && capture_next(capture, &packet, &err) == 1) {
		json_t *json;

		if (capture_datagram(&packet, &datagram) != CAPTURE_UDP || !pcap_is_ours(&datagram))
			continue;
		json = pcap_datagram_json(&datagram, packet.time_ns, NULL);
		pcap_print_text(json, out);
		json_decref(json);
	}
	capture_free(capture);
	fclose(in);
	return 0;
}
