// SPDX-License-Identifier: BSD-3-Clause
//
// Files of captured packets: pcap, pcapng (draft-ietf-opsawg-pcap and -pcapng).

#include "capture.h"
#include "mr_bytes.h"
#include "mr_units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_ORDER 0x1a2b3c4du
#define INTERFACES_MAX 1024u

#define FILE_HEAD_BYTES 24u
#define PACKET_HEAD_BYTES 16u

enum block {
	BLOCK_SECTION = 0x0a0d0d0a, // the same in either order
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET_OLD = 2,
	BLOCK_PACKET_SIMPLE = 3,
	BLOCK_PACKET = 6,
};

// Bytes of a block that are not its body: type, length, and the length again.
#define BLOCK_FRAME_BYTES 12u
#define BLOCK_MAX_BYTES (CAPTURE_PACKET_MAX_BYTES + 65536u)

enum option {
	OPTION_END = 0,
	OPTION_RESOLUTION = 9,
	OPTION_OFFSET = 14,
};

struct interface {
	uint32_t link;
	uint32_t snap_bytes;
	uint64_t ticks_per_s;
	uint64_t offset_s;
};

struct capture {
	FILE *file;
	const char *name;
	uint64_t at; // bytes read so far
	bool is_ng, is_big;
	struct interface one; // of a classic capture
	struct interface *interfaces;
	unsigned n_interfaces;
	uint8_t *buffer;
	size_t capacity;
};

static uint32_t get32(const struct capture *c, const uint8_t *p)
{
	return c->is_big ? mr_load_be32(p) : mr_load_le32(p);
}

static uint16_t get16(const struct capture *c, const uint8_t *p)
{
	return c->is_big ? mr_load_be16(p) : mr_load_le16(p);
}

static uint64_t get64(const struct capture *c, const uint8_t *p)
{
	return c->is_big ? mr_load_be64(p) : mr_load_le64(p);
}

static int damaged(const struct capture *c, struct mr_err *err, const char *what)
{
	return mr_fail(err, EINVAL, "%s: byte %" PRIu64 ": %s", c->name, c->at, what);
}

// Reads exactly so many bytes. @return 1; 0: the end, before the first of them; -errno.
static int take(struct capture *c, void *to, size_t bytes, struct mr_err *err)
{
	size_t n = fread(to, 1, bytes, c->file);

	c->at += n;
	if (n == bytes)
		return 1;
	if (ferror(c->file))
		return mr_fail(err, EIO, "%s: cannot be read", c->name);
	return n == 0 ? 0 : damaged(c, err, "the file ends within a packet or block");
}

// As take(), where there must be something.
static int must_take(struct capture *c, void *to, size_t bytes, struct mr_err *err)
{
	int rc = take(c, to, bytes, err);

	return rc == 0 && bytes > 0 ? damaged(c, err, "the file ends within a packet or block")
	                            : MR_MIN(rc, 0);
}

static int take_into_buffer(struct capture *c, size_t bytes, struct mr_err *err)
{
	if (bytes > c->capacity) {
		uint8_t *grown = realloc(c->buffer, bytes);

		if (grown == NULL)
			return mr_fail(err, ENOMEM, "out of memory");
		c->buffer = grown;
		c->capacity = bytes;
	}
	return must_take(c, c->buffer, bytes, err);
}

static int skip(struct capture *c, size_t bytes, struct mr_err *err)
{
	uint8_t dump[4096];
	int rc = 0;

	while (rc == 0 && bytes > 0) {
		size_t n = MR_MIN(bytes, sizeof(dump));

		rc = must_take(c, dump, n, err);
		bytes -= n;
	}
	return rc;
}

static uint64_t time_ns(const struct interface *interface, uint64_t ticks)
{
	uint64_t per_s = interface->ticks_per_s;
	uint64_t s = ticks / per_s + interface->offset_s, rest = ticks % per_s;

	// Finer than this clock's grain: what is lost is less than a few of it.
	while (per_s > MR_NS_PER_S) {
		per_s /= 2;
		rest /= 2;
	}
	return s * MR_NS_PER_S + rest * MR_NS_PER_S / per_s;
}

// ---- classic -----------------------------------------------------------------------------------

static int open_classic(struct capture *c, const uint8_t *head, struct mr_err *err)
{
	uint8_t rest[FILE_HEAD_BYTES - 4];
	int rc = must_take(c, rest, sizeof(rest), err);

	if (rc < 0)
		return rc;
	// The rest of that word is about checksums that Ethernet frames may end in.
	c->one.link = get32(c, rest + 16) & 0x0fffffffu;
	c->one.ticks_per_s = get32(c, head) == MAGIC_NS ? MR_NS_PER_S : MR_US_PER_S;
	return 0;
}

static int next_classic(struct capture *c, struct capture_packet *ret, struct mr_err *err)
{
	uint8_t head[PACKET_HEAD_BYTES];
	int rc = take(c, head, sizeof(head), err);

	if (rc <= 0)
		return rc;
	*ret = (struct capture_packet){
		.time_ns = (uint64_t)get32(c, head) * MR_NS_PER_S +
	                   time_ns(&c->one, get32(c, head + 4)),
		.link = c->one.link,
		.bytes = get32(c, head + 8),
		.wire_bytes = get32(c, head + 12),
	};
	if (ret->bytes > CAPTURE_PACKET_MAX_BYTES)
		return damaged(c, err, "a packet of more than 1 MiB");
	rc = take_into_buffer(c, ret->bytes, err);
	ret->data = c->buffer;
	return rc < 0 ? rc : 1;
}

// ---- pcapng ------------------------------------------------------------------------------------

// Reads what follows the type of a section's head.
static int open_section(struct capture *c, struct mr_err *err)
{
	uint8_t head[8];
	uint32_t bytes;
	int rc = must_take(c, head, sizeof(head), err);

	if (rc < 0)
		return rc;
	c->is_big = mr_load_be32(head + 4) == MAGIC_ORDER;
	if (get32(c, head + 4) != MAGIC_ORDER)
		return damaged(c, err, "a section without its byte-order mark");
	bytes = get32(c, head);
	if (bytes < BLOCK_FRAME_BYTES + 16 || bytes % 4 != 0)
		return damaged(c, err, "a section's head of a length that cannot be");
	c->n_interfaces = 0;
	return skip(c, bytes - 12, err);
}

// Ticks a second as an option says: a power of ten, or with the high bit of two.
static uint64_t resolution(uint8_t value)
{
	uint64_t per_s = 1;
	unsigned n = value & 0x7f;

	if (n > (value & 0x80 ? 63u : 19u))
		return 0;
	for (unsigned i = 0; i < n; i++)
		per_s *= value & 0x80 ? 2 : 10;
	return per_s;
}

static int read_options(struct capture *c, struct interface *interface, const uint8_t *at,
	size_t bytes, struct mr_err *err)
{
	while (bytes >= 4) {
		uint16_t code = get16(c, at), option_bytes = get16(c, at + 2);
		size_t padded = MR_ALIGN_UP((size_t)option_bytes, (size_t)4);

		if (code == OPTION_END)
			return 0;
		if (padded > bytes - 4)
			return damaged(c, err, "an option runs over the end of its block");
		if (code == OPTION_RESOLUTION && option_bytes >= 1)
			interface->ticks_per_s = resolution(at[4]);
		else if (code == OPTION_OFFSET && option_bytes >= 8)
			interface->offset_s = get64(c, at + 4);
		at += 4 + padded;
		bytes -= 4 + padded;
	}
	return 0;
}

static int add_interface(struct capture *c, size_t bytes, struct mr_err *err)
{
	struct interface *grown, *interface;

	if (bytes < 8)
		return damaged(c, err, "an interface's block is too short");
	if (c->n_interfaces == INTERFACES_MAX)
		return damaged(c, err, "more than 1024 interfaces");
	grown = realloc(c->interfaces, (c->n_interfaces + 1) * sizeof(*grown));
	if (grown == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	c->interfaces = grown;
	interface = &grown[c->n_interfaces];
	*interface = (struct interface){
		.link = get16(c, c->buffer),
		.snap_bytes = get32(c, c->buffer + 4),
		.ticks_per_s = MR_US_PER_S,
	};
	c->n_interfaces++;
	if (read_options(c, interface, c->buffer + 8, bytes - 8, err) < 0)
		return -EINVAL;
	return interface->ticks_per_s != 0 ? 0 : damaged(c, err, "a clock of unknown grain");
}

// The three kinds of packet blocks: a number of bytes of fields, then the packet.
static int unpack(struct capture *c, uint32_t type, size_t block_bytes, struct capture_packet *ret,
	struct mr_err *err)
{
	const size_t head = type == BLOCK_PACKET_SIMPLE ? 4 : 20;
	const uint8_t *at = c->buffer;
	const struct interface *interface;
	uint32_t which = 0;

	if (block_bytes < head)
		return damaged(c, err, "a packet's block is too short");
	if (type != BLOCK_PACKET_SIMPLE)
		which = type == BLOCK_PACKET ? get32(c, at) : get16(c, at);
	if (which >= c->n_interfaces)
		return damaged(c, err, "a packet of an interface that was not described");
	interface = &c->interfaces[which];
	*ret = (struct capture_packet){.link = interface->link, .data = at + head};
	if (type == BLOCK_PACKET_SIMPLE) {
		ret->wire_bytes = get32(c, at);
		ret->bytes = ret->wire_bytes;
		if (interface->snap_bytes != 0)
			ret->bytes = MR_MIN(ret->bytes, interface->snap_bytes);
	} else {
		ret->time_ns =
			time_ns(interface, (uint64_t)get32(c, at + 4) << 32 | get32(c, at + 8));
		ret->bytes = get32(c, at + 12);
		ret->wire_bytes = get32(c, at + 16);
	}
	if (ret->bytes > block_bytes - head)
		return damaged(c, err, "a packet runs over the end of its block");
	return 1;
}

// Reads what is behind a block's type. @return 1: a packet; 0: something else; -errno.
static int take_block(
	struct capture *c, uint32_t type, struct capture_packet *ret, struct mr_err *err)
{
	uint32_t bytes;
	uint8_t length[4];
	int rc = must_take(c, length, sizeof(length), err);

	if (rc < 0)
		return rc;
	bytes = get32(c, length);
	if (bytes < BLOCK_FRAME_BYTES || bytes % 4 != 0)
		return damaged(c, err, "a block of a length that cannot be");
	if (type != BLOCK_INTERFACE && type != BLOCK_PACKET && type != BLOCK_PACKET_OLD &&
		type != BLOCK_PACKET_SIMPLE)
		return skip(c, bytes - 8, err);
	if (bytes > BLOCK_MAX_BYTES)
		return damaged(c, err, "a block of more than 1 MiB");
	rc = take_into_buffer(c, bytes - BLOCK_FRAME_BYTES, err);
	if (rc == 0)
		rc = must_take(c, length, sizeof(length), err);
	if (rc < 0)
		return rc;
	if (get32(c, length) != bytes)
		return damaged(c, err, "a block's two lengths differ");
	return type == BLOCK_INTERFACE ? add_interface(c, bytes - BLOCK_FRAME_BYTES, err)
	                               : unpack(c, type, bytes - BLOCK_FRAME_BYTES, ret, err);
}

static int next_ng(struct capture *c, struct capture_packet *ret, struct mr_err *err)
{
	int rc = 0;

	while (rc == 0) {
		uint8_t type[4];

		rc = take(c, type, sizeof(type), err);
		if (rc <= 0)
			return rc;
		rc = get32(c, type) == BLOCK_SECTION ? open_section(c, err)
		                                     : take_block(c, get32(c, type), ret, err);
	}
	return rc;
}

// ---- either ------------------------------------------------------------------------------------

static int open_any(struct capture *c, struct mr_err *err)
{
	uint8_t magic[4];
	int rc = take(c, magic, sizeof(magic), err);

	if (rc == -EIO)
		return rc;
	if (rc == 1 && mr_load_le32(magic) == BLOCK_SECTION) {
		c->is_ng = true;
		return open_section(c, err);
	}
	for (unsigned i = 0; rc == 1 && i < 2; i++) {
		c->is_big = i == 1;
		if (get32(c, magic) == MAGIC_US || get32(c, magic) == MAGIC_NS)
			return open_classic(c, magic, err);
	}
	return mr_fail(err, EINVAL, "%s: neither a pcap nor a pcapng file", c->name);
}

struct capture *capture_new(FILE *file, const char *name, struct mr_err *err)
{
	struct capture *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL) {
		mr_fail(err, ENOMEM, "out of memory");
		errno = ENOMEM;
		return NULL;
	}
	c->file = file;
	c->name = name;
	rc = open_any(c, err);
	if (rc < 0) {
		capture_free(c);
		errno = -rc;
		return NULL;
	}
	return c;
}

void capture_free(struct capture *capture)
{
	if (capture == NULL)
		return;
	free(capture->interfaces);
	free(capture->buffer);
	free(capture);
}

int capture_next(struct capture *capture, struct capture_packet *ret, struct mr_err *err)
{
	return capture->is_ng ? next_ng(capture, ret, err) : next_classic(capture, ret, err);
}

int capture_write_begin(FILE *file)
{
	uint8_t head[FILE_HEAD_BYTES] = {0};

	mr_store_le32(head, MAGIC_US);
	mr_store_le16(head + 4, 2); // version 2.4
	mr_store_le16(head + 6, 4);
	mr_store_le32(head + 16, 262144); // no frame is cut
	mr_store_le32(head + 20, CAPTURE_LINK_ETHERNET);
	return fwrite(head, sizeof(head), 1, file) == 1 ? 0 : -EIO;
}

int capture_write(FILE *file, uint64_t time_us, const uint8_t *frame, unsigned bytes)
{
	uint8_t head[PACKET_HEAD_BYTES];

	mr_store_le32(head, (uint32_t)(time_us / MR_US_PER_S));
	mr_store_le32(head + 4, (uint32_t)(time_us % MR_US_PER_S));
	mr_store_le32(head + 8, bytes);
	mr_store_le32(head + 12, bytes);
	return fwrite(head, sizeof(head), 1, file) == 1 && fwrite(frame, bytes, 1, file) == 1
	               ? 0
	               : -EIO;
}
