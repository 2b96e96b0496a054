// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The protocol: datagram structures, and the only validator of bytes that come from the network.
 *
 * Everything is little-endian and naturally aligned within the UDP payload; keys inside requests
 * are opaque bytes (mr_key.h makes them from typed values, big-endian, so that they sort). The
 * normative text is docs/protocol.md; golden vectors are in tests/golden.
 *
 * Decoders read nothing outside [data, data + bytes), allocate nothing and keep pointers into the
 * datagram: what they return lives as long as the datagram does, and as long as nobody writes to it
 * (a reply built in place of its request ends the request). No state; any thread.
 * Cost: a GET without flags and with keys of one length decodes in about 8 cycles, inline, whatever
 * the number of keys; anything else in some 60 cycles and less than one for each key.
 */

#include <stdbool.h>

#include "mr_bytes.h"
#include "mr_cc.h"

#define MR_WIRE_VERSION 1u
#define MR_WIRE_MAGIC_REQUEST 0x5152524du // "MRRQ" on the wire
#define MR_WIRE_MAGIC_REPLY 0x5052524du   // "MRRP" on the wire
#define MR_WIRE_KEY_MAX_BYTES 255u
#define MR_WIRE_KEYS_MAX 255u
#define MR_WIRE_SETS_MAX 16u
#define MR_WIRE_PORT 7411u
/** A row never exceeds this on any path; the reply splits it over datagrams where it must. */
#define MR_WIRE_ROW_MAX_BYTES 32768u

enum mr_wire_op {
	MR_WIRE_OP_HELLO = 1,
	MR_WIRE_OP_PING = 2,
	MR_WIRE_OP_GET = 3,
	MR_WIRE_OP_PUT = 4,
	MR_WIRE_OP_DELETE = 5,
	MR_WIRE_OP_DESCRIBE = 6,
	MR_WIRE_OP_COUNT,
};

// Request flags. Bits 0-7 change the meaning of a request: an unknown one is refused. Bits 8-15 are
// hints: an unknown one is ignored.
#define MR_WIRE_F_STRONG 0x0001u //!< GET: all keys at one snapshot
#define MR_WIRE_F_ASOF 0x0002u   //!< GET: u64 as_of_us follows the header
#define MR_WIRE_F_TRACE 0x0004u  //!< u64 trace id follows the header (after as_of_us)
#define MR_WIRE_F_MAC 0x0008u    //!< struct mr_wire_mac ends the datagram
#define MR_WIRE_F_PADDED 0x0010u //!< zero bytes may follow what the request needs; not looked at
#define MR_WIRE_F_TIMES 0x0040u  //!< GET, PUT, DELETE: struct mr_wire_times is asked for
#define MR_WIRE_F_KNOWN 0x005fu
#define MR_WIRE_F_CRITICAL 0x00ffu

/** Known flags that go with @p op; every other critical flag is refused. 0 for an unknown op. */
uint16_t mr_wire_op_flags(unsigned op);

/** Request header, in front of every request. */
struct mr_wire_req {
	uint32_t magic;       //  0
	uint8_t version;      //  4
	uint8_t op;           //  5
	uint16_t flags;       //  6
	uint64_t request_id;  //  8: echoed in every reply datagram
	uint64_t cookie;      // 16: from HELLO; 0 when none is held
	uint16_t view;        // 24: GET: view id; PUT, DELETE: set id; else 0
	uint8_t key_count;    // 26: GET, PUT, DELETE: 1 to 255; else 0
	uint8_t key_bytes;    // 27: GET: length of every key, or 0: a table of lengths comes first
	uint32_t deadline_us; // 28: answer is worthless after this long in the server; 0: none
	// 32: GET with key_bytes != 0: the keys, so that the one key of a single-key GET without
	//     optional words always sits here.
};
static_assert(sizeof(struct mr_wire_req) == 32, "wire layout");

/** Ends a datagram that carries MR_WIRE_F_MAC. */
struct mr_wire_mac {
	uint32_t key_id;   // 0
	uint32_t reserved; // 4: zero
	uint64_t mac;      // 8: SipHash-2-4 of all bytes before this field
};
static_assert(sizeof(struct mr_wire_mac) == 16, "wire layout");

/** HELLO body. The request is as long as its reply. */
struct mr_wire_hello {
	uint8_t version_min; //  0
	uint8_t version_max; //  1
	uint8_t zero0[6];    //  2
	uint64_t nonce;      //  8: mixed into the cookie
	uint8_t zero1[16];   // 16
};
static_assert(sizeof(struct mr_wire_hello) == 32, "wire layout");

#define MR_WIRE_HELLO_COOKIE_NEEDED 0x0001u
#define MR_WIRE_HELLO_MAC_NEEDED 0x0002u

/** HELLO reply body. */
struct mr_wire_hello_reply {
	uint8_t version_min;        //  0
	uint8_t version_max;        //  1
	uint16_t flags;             //  2: MR_WIRE_HELLO_*
	uint16_t max_payload_bytes; //  4: longest UDP payload this port takes and sends
	uint8_t max_keys;           //  6
	uint8_t zero0;              //  7
	uint64_t cookie;            //  8: 0: none is needed
	uint32_t cookie_valid_s;    // 16
	uint32_t zero1;             // 20
	uint64_t server_time_us;    // 24
};
static_assert(sizeof(struct mr_wire_hello_reply) == 32, "wire layout");

/** PUT and DELETE body starts with this; header.view is the set. */
struct mr_wire_write {
	uint32_t layout;  // 0: mr_schema.layout the rows were made for; DELETE: 0
	uint16_t version; // 4: version of the set; 0: the current one
	uint16_t zero;    // 6
};
static_assert(sizeof(struct mr_wire_write) == 8, "wire layout");

/** One row of a PUT or DELETE: this, key padded to 8 bytes with zeros, row padded likewise. */
struct mr_wire_record {
	uint64_t event_time_us; //  0
	uint16_t row_bytes;     //  8: DELETE: 0
	uint8_t key_bytes;      // 10: 1 to 255
	uint8_t zero0;          // 11
	uint32_t zero1;         // 12
};
static_assert(sizeof(struct mr_wire_record) == 16, "wire layout");

/** A DESCRIBE is at least this long, so that its reply, never longer, has room for some text. */
#define MR_WIRE_DESCRIBE_MIN_BYTES 64u
#define MR_WIRE_NAME_MAX_BYTES 63u

/** DESCRIBE body: what is the set or view of this name? The reply is no longer than the request. */
struct mr_wire_describe {
	uint32_t offset;    // 0: first byte of the text wanted
	uint8_t name_bytes; // 4: 1 to 63; the name follows this struct
	uint8_t zero[3];    // 5
};
static_assert(sizeof(struct mr_wire_describe) == 8, "wire layout");

/** DESCRIBE reply body; `bytes` of INI text (the sets and the view, as registered) follow. */
struct mr_wire_describe_reply {
	uint16_t view;        //  0: id to ask for in GET
	uint16_t bytes;       //  2: text in this datagram
	uint32_t layout;      //  4: mr_view.layout
	uint32_t offset;      //  8
	uint32_t total_bytes; // 12
};
static_assert(sizeof(struct mr_wire_describe_reply) == 16, "wire layout");

/** Outcome of a whole request. */
enum mr_wire_result {
	MR_WIRE_RESULT_OK = 0,
	MR_WIRE_RESULT_MALFORMED = 1,
	MR_WIRE_RESULT_BAD_VERSION = 2, //!< protocol version; the reply's version is one we speak
	MR_WIRE_RESULT_UNKNOWN_OP = 3,
	MR_WIRE_RESULT_UNKNOWN_VIEW = 4,  //!< no such view, set, version or name
	MR_WIRE_RESULT_UNSUPPORTED = 5,   //!< a critical flag this server does not know or allow
	MR_WIRE_RESULT_STALE_LAYOUT = 6,  //!< rows made for another schema: DESCRIBE again
	MR_WIRE_RESULT_COOKIE_NEEDED = 7, //!< HELLO again
	MR_WIRE_RESULT_DENIED = 8,
	MR_WIRE_RESULT_TOO_LATE = 9, //!< the deadline passed inside the server
	MR_WIRE_RESULT_BUSY = 10,    //!< shed before any key was looked at
	MR_WIRE_RESULT_COUNT,
};

/** Outcome of one (key, set), or of one record of a write. */
enum mr_status {
	MR_STATUS_OK = 0,
	MR_STATUS_NOT_FOUND = 1,
	MR_STATUS_EXPIRED = 2,
	MR_STATUS_BUSY = 3,     //!< shed; try again
	MR_STATUS_DEGRADED = 4, //!< the store's breaker is open; try later
	MR_STATUS_ERROR = 5,
	MR_STATUS_SUPERSEDED =
		6,             //!< write: a newer event is there, or an equal one that wins the tie
	MR_STATUS_BAD_KEY = 7, //!< not a key of this set
	MR_STATUS_BAD_ROW = 8, //!< write: the row does not fit the schema
	MR_STATUS_COUNT,
};

const char *mr_status_name(enum mr_status status);
const char *mr_wire_result_name(enum mr_wire_result result);
const char *mr_wire_op_name(enum mr_wire_op op);

#define MR_WIRE_R_DURABLE 0x0001u //!< PUT, DELETE: every OK record is synced to stable storage
#define MR_WIRE_R_TIMES 0x0002u   //!< struct mr_wire_times ends this datagram

/** Reply header, in front of every reply datagram. */
struct mr_wire_rep {
	uint32_t magic;       //  0
	uint8_t version;      //  4
	uint8_t op;           //  5
	uint16_t flags;       //  6: MR_WIRE_R_*
	uint64_t request_id;  //  8
	uint8_t result;       // 16: enum mr_wire_result
	uint8_t key_count;    // 17: as asked
	uint8_t set_count;    // 18: GET: sets of the view
	uint8_t zero;         // 19
	uint16_t frag;        // 20: this datagram, from 0
	uint16_t frag_count;  // 22: datagrams of this reply, at least 1
	uint16_t first_entry; // 24: number of the first entry here: key * set_count + set
	uint16_t entry_count; // 26: entries (or pieces of one) here
	uint32_t layout;      // 28: GET: mr_view.layout of the answer
};
static_assert(sizeof(struct mr_wire_rep) == 32, "wire layout");

/**
 * GET reply: one per (key, set), in order; piece_bytes of the row follow, padded to 8 with zeros.
 * A row that does not fit one datagram comes in pieces: same entry number, rising piece_offset; a
 * piece that is not the last ends its datagram, and the next datagram's first_entry repeats it.
 */
struct mr_wire_entry {
	uint64_t event_time_us; //  0: OK and EXPIRED; else 0
	uint16_t row_bytes;     //  8: of the whole row
	uint16_t piece_offset;  // 10
	uint16_t piece_bytes;   // 12
	uint8_t status;         // 14: enum mr_status
	uint8_t zero;           // 15
};
static_assert(sizeof(struct mr_wire_entry) == 16, "wire layout");

/** PUT and DELETE reply: one per record, in order. */
struct mr_wire_ack {
	uint8_t status;  // 0: enum mr_status
	uint8_t zero[7]; // 1
};
static_assert(sizeof(struct mr_wire_ack) == 8, "wire layout");

// What a request met on its way through the server, beside taking time.
#define MR_WIRE_MET_IO 0x0001u         //!< an I/O lcore answered it
#define MR_WIRE_MET_COMPACTION 0x0002u //!< the store was compacting
#define MR_WIRE_MET_STALL 0x0004u      //!< the store slowed writes down, or stopped them
#define MR_WIRE_MET_BREAKER 0x0008u    //!< the breaker before the store was open
#define MR_WIRE_MET_LOOP 0x0010u       //!< its RX lcore's loop stood still meanwhile

/**
 * Where a request's time went, up to the moment its reply was written; ends the last datagram of a
 * reply with MR_WIRE_R_TIMES. What it did not go through is 0, and UINT32_MAX is that or more.
 */
struct mr_wire_times {
	uint64_t trace_id;  //  0: of the request
	uint32_t total_ns;  //  8: since it was received
	uint32_t parse_ns;  // 12: on the RX lcore: classified and validated, with its burst
	uint32_t probe_ns;  // 16: looked up in memory there
	uint32_t ring_ns;   // 20: received, until an I/O lcore took it
	uint32_t queue_ns;  // 24: there, behind others of its burst
	uint32_t lock_ns;   // 28: for keys that other writes held
	uint32_t read_ns;   // 32: store reads
	uint32_t commit_ns; // 36: commit, synced where the set asks for it
	uint32_t met;       // 40: MR_WIRE_MET_*
	uint32_t zero;      // 44
};
static_assert(sizeof(struct mr_wire_times) == 48, "wire layout");

// ---- defects: why a datagram is refused ---------------------------------------------------------

#define MR_WIRE_DEFECTS(X)                                                                \
	X(NONE, "well formed")                                                            \
	X(TRUNCATED, "shorter than its header or fixed part")                             \
	X(BAD_MAGIC, "does not start with the magic")                                     \
	X(BAD_VERSION, "protocol version not spoken here")                                \
	X(UNKNOWN_OP, "operation not known")                                              \
	X(BAD_FLAGS, "a critical flag is not known, or does not go with the operation")   \
	X(NO_KEYS, "key count is zero")                                                   \
	X(KEY_LENGTH, "a key or name of no bytes, too long, or overrunning the datagram") \
	X(KEY_COUNT, "key count does not match the bytes")                                \
	X(NOT_ZERO, "a reserved field is not zero")                                       \
	X(ROW_LENGTH, "a row too long, overrunning the datagram, or where none may be")   \
	X(TRAILING, "bytes after the end of the request or reply")                        \
	X(FRAGMENT, "reply: fragment, entry or piece numbers that cannot be")

enum mr_wire_defect {
#define X(name, help) MR_WIRE_DEFECT_##name,
	MR_WIRE_DEFECTS(X)
#undef X
		MR_WIRE_DEFECT_COUNT,
};

const char *mr_wire_defect_name(enum mr_wire_defect defect); //!< "key_length"
const char *mr_wire_defect_help(enum mr_wire_defect defect);

/** The result to answer a defect with (MALFORMED, BAD_VERSION, ...). */
enum mr_wire_result mr_wire_defect_result(enum mr_wire_defect defect);

// ---- server side: requests in -------------------------------------------------------------------

/** A request that passed validation. Pointers go into the datagram. */
struct mr_wire_request {
	uint64_t request_id;
	uint64_t cookie;
	uint64_t as_of_us; //!< 0 without MR_WIRE_F_ASOF
	uint64_t trace_id; //!< 0 without MR_WIRE_F_TRACE
	uint32_t deadline_us;
	uint16_t flags;
	uint16_t view; //!< or set id
	uint8_t op;
	uint8_t key_count;
	uint8_t key_bytes;       //!< GET: fixed length, or 0: see key_lens
	const uint8_t *key_lens; //!< GET with key_bytes == 0: key_count lengths
	const uint8_t *keys;     //!< GET: first key; write: first record; else the body
	uint16_t body_bytes;     //!< bytes from `keys` to the end (without the MAC)
	uint32_t layout;         //!< writes
	uint16_t version;        //!< writes
	//! NULL without MR_WIRE_F_MAC; unaligned: read with mr_load_*
	const struct mr_wire_mac *mac;
};

/** Out-of-line part of mr_wire_request_decode(): everything but the plain GET. */
enum mr_wire_defect mr_wire_request_decode_any(
	const void *data, size_t bytes, struct mr_wire_request *ret);

/** First eight bytes of a GET without flags: magic, version, operation, flags. */
#define MR_WIRE_GET_PLAIN                                                    \
	((uint64_t)MR_WIRE_MAGIC_REQUEST | (uint64_t)MR_WIRE_VERSION << 32 | \
		(uint64_t)MR_WIRE_OP_GET << 40)

/**
 * Validates a request wholly: every length, count, reserved field and record.
 *
 * @param ret
 *   Filled when NONE is returned. For other defects than TRUNCATED and BAD_MAGIC, request_id and
 *   op (as received) are filled, so that an error can be answered; the rest is zero.
 */
static mr_always_inline enum mr_wire_defect mr_wire_request_decode(
	const void *data, size_t bytes, struct mr_wire_request *ret)
{
	const uint8_t *p = (const uint8_t *)data;

	if (mr_unlikely(
		    bytes <= sizeof(struct mr_wire_req) || mr_load_le64(p) != MR_WIRE_GET_PLAIN))
		return mr_wire_request_decode_any(data, bytes, ret);

	uint8_t key_count = p[offsetof(struct mr_wire_req, key_count)];
	uint8_t key_bytes = p[offsetof(struct mr_wire_req, key_bytes)];
	uint32_t body_bytes = (uint32_t)key_count * key_bytes;

	// A count or a length of zero cannot equal what is left, which is at least one byte.
	if (mr_unlikely(bytes - sizeof(struct mr_wire_req) != body_bytes))
		return mr_wire_request_decode_any(data, bytes, ret);

	ret->request_id = mr_load_le64(p + offsetof(struct mr_wire_req, request_id));
	ret->cookie = mr_load_le64(p + offsetof(struct mr_wire_req, cookie));
	ret->as_of_us = 0;
	ret->trace_id = 0;
	ret->deadline_us = mr_load_le32(p + offsetof(struct mr_wire_req, deadline_us));
	ret->flags = 0;
	ret->view = mr_load_le16(p + offsetof(struct mr_wire_req, view));
	ret->op = MR_WIRE_OP_GET;
	ret->key_count = key_count;
	ret->key_bytes = key_bytes;
	ret->key_lens = NULL;
	ret->keys = p + sizeof(struct mr_wire_req);
	ret->body_bytes = (uint16_t)body_bytes;
	ret->layout = 0;
	ret->version = 0;
	ret->mac = NULL;
	return MR_WIRE_DEFECT_NONE;
}

/** Steps through the keys of a valid GET, from *cursor = 0. @return key, or NULL at the end. */
static inline const uint8_t *mr_wire_key_next(
	const struct mr_wire_request *req, uint32_t *cursor, unsigned *ret_key_bytes)
{
	// The number of the next key above, its offset below: all keys together are below 64 KiB.
	unsigned i = *cursor >> 16;
	unsigned offset = *cursor & 0xffffu;
	unsigned key_bytes;

	if (i == req->key_count)
		return NULL;
	key_bytes = req->key_bytes != 0 ? req->key_bytes : req->key_lens[i];
	*cursor = (i + 1) << 16 | (offset + key_bytes);
	*ret_key_bytes = key_bytes;
	return req->keys + offset;
}

/** One record of a valid write. */
struct mr_wire_row {
	uint64_t event_time_us;
	const uint8_t *key;
	const uint8_t *row;
	uint16_t row_bytes;
	uint8_t key_bytes;
};

/** Steps through the records of a valid write. Start with *cursor = 0. @return false at the end. */
bool mr_wire_record_next(
	const struct mr_wire_request *req, uint32_t *cursor, struct mr_wire_row *ret_row);

/** HELLO and DESCRIBE bodies of a valid request, in host form. The name has no terminating zero. */
void mr_wire_hello_get(const struct mr_wire_request *req, struct mr_wire_hello *ret);
void mr_wire_describe_get(
	const struct mr_wire_request *req, struct mr_wire_describe *ret, const char **ret_name);

// ---- server side: replies out -------------------------------------------------------------------

/**
 * Writes a reply header; frag 0 of 1, no entries. @p rep may be unaligned, and may be the request's
 * own datagram: @p req is read first, but its keys and body are then gone where @p rep overlaps.
 */
static inline void mr_wire_reply_begin(
	void *rep, const struct mr_wire_request *req, enum mr_wire_result result)
{
	uint8_t *p = (uint8_t *)rep;

	mr_store_le64(p, (uint64_t)MR_WIRE_MAGIC_REPLY | (uint64_t)MR_WIRE_VERSION << 32 |
				 (uint64_t)req->op << 40);
	mr_store_le64(p + offsetof(struct mr_wire_rep, request_id), req->request_id);
	mr_store_le32(p + offsetof(struct mr_wire_rep, result),
		(uint32_t)result | (uint32_t)req->key_count << 8);
	mr_store_le32(p + offsetof(struct mr_wire_rep, frag), UINT32_C(1) << 16);
	mr_store_le64(p + offsetof(struct mr_wire_rep, first_entry), 0);
}

/** Sets the numbers of one datagram of a reply; the header is there already. */
static inline void mr_wire_reply_fragment(
	void *rep, unsigned frag, unsigned frag_count, unsigned first_entry, unsigned entry_count)
{
	uint8_t *p = (uint8_t *)rep;

	mr_store_le16(p + offsetof(struct mr_wire_rep, frag), (uint16_t)frag);
	mr_store_le16(p + offsetof(struct mr_wire_rep, frag_count), (uint16_t)frag_count);
	mr_store_le16(p + offsetof(struct mr_wire_rep, first_entry), (uint16_t)first_entry);
	mr_store_le16(p + offsetof(struct mr_wire_rep, entry_count), (uint16_t)entry_count);
}

/** Sets what a GET reply says beside its entries. */
static inline void mr_wire_reply_view(void *rep, unsigned set_count, uint32_t layout)
{
	uint8_t *p = (uint8_t *)rep;

	p[offsetof(struct mr_wire_rep, set_count)] = (uint8_t)set_count;
	mr_store_le32(p + offsetof(struct mr_wire_rep, layout), layout);
}

/**
 * All three of the above for a GET reply, in whole words: a checksum that is taken right afterwards
 * reads them back without waiting for smaller stores to be put together.
 */
static inline void mr_wire_reply_put(void *rep, const struct mr_wire_request *req,
	unsigned set_count, uint32_t layout, unsigned frag, unsigned frag_count,
	unsigned first_entry, unsigned entry_count)
{
	uint8_t *p = (uint8_t *)rep;

	mr_store_le64(p, (uint64_t)MR_WIRE_MAGIC_REPLY | (uint64_t)MR_WIRE_VERSION << 32 |
				 (uint64_t)req->op << 40);
	mr_store_le64(p + offsetof(struct mr_wire_rep, request_id), req->request_id);
	mr_store_le64(p + offsetof(struct mr_wire_rep, result),
		(uint64_t)MR_WIRE_RESULT_OK | (uint64_t)req->key_count << 8 |
			(uint64_t)set_count << 16 | (uint64_t)frag << 32 |
			(uint64_t)frag_count << 48);
	mr_store_le64(p + offsetof(struct mr_wire_rep, first_entry),
		(uint64_t)first_entry | (uint64_t)entry_count << 16 | (uint64_t)layout << 32);
}

/**
 * Writes the header of one entry (or piece), which may be unaligned. The caller writes piece_bytes
 * of the row behind it and zeros up to the next multiple of 8.
 */
static inline void mr_wire_entry_put(void *entry, enum mr_status status, uint64_t event_time_us,
	unsigned row_bytes, unsigned piece_offset, unsigned piece_bytes)
{
	uint8_t *p = (uint8_t *)entry;

	mr_store_le64(p, event_time_us);
	mr_store_le64(p + offsetof(struct mr_wire_entry, row_bytes),
		(uint64_t)row_bytes | (uint64_t)piece_offset << 16 | (uint64_t)piece_bytes << 32 |
			(uint64_t)status << 48);
}

/** Writes the times that end a datagram, which may be unaligned. The header's flag is the caller's.
 */
void mr_wire_times_put(void *at, const struct mr_wire_times *times);

// ---- client side: requests out ------------------------------------------------------------------

// With MR_WIRE_F_PADDED every encoder pads its request with zeros to the whole capacity. A flag
// that does not go with the operation is -EINVAL. Of the capacity at most 65535 bytes are used.

/** Writes requests into a buffer; never past its end. Owner: the caller. */
struct mr_wire_writer {
	uint8_t *data;
	size_t capacity_bytes; //!< without the room kept for a MAC
	size_t bytes;          //!< written so far
	uint8_t key_count;
	uint8_t op;
};

/** What every request says. */
struct mr_wire_ask {
	uint64_t request_id;
	uint64_t cookie;
	uint64_t as_of_us; //!< with MR_WIRE_F_ASOF
	uint64_t trace_id; //!< with MR_WIRE_F_TRACE
	uint32_t deadline_us;
	uint16_t flags;
	uint16_t view; //!< or set
};

/** A key to ask for. */
struct mr_wire_key {
	const void *data;
	uint8_t bytes;
};

/**
 * Writes a whole GET; picks the fixed-length form when all keys are of one length.
 * @return bytes written; -EMSGSIZE: does not fit, split the keys; -EINVAL: no keys or an empty one.
 */
int mr_wire_get_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask,
	const struct mr_wire_key *keys, unsigned n_keys);

/** Starts a PUT or DELETE. @return 0; -EMSGSIZE; -EINVAL: another op, a layout in a DELETE. */
int mr_wire_write_begin(struct mr_wire_writer *w, void *data, size_t capacity_bytes,
	enum mr_wire_op op, const struct mr_wire_ask *ask, uint32_t layout, uint16_t version);

/**
 * Adds a record. @return 0; -EMSGSIZE: full, end this datagram and start the next; -EINVAL: an
 * empty key, a row above MR_WIRE_ROW_MAX_BYTES, a row in a DELETE. Unless 0, nothing was added.
 */
int mr_wire_write_add(struct mr_wire_writer *w, const struct mr_wire_row *row);

/**
 * Ends it: the count is set; if flagged, a MAC of zeros ends it, for the caller to fill in place.
 * @return bytes, or -EINVAL: no record was added.
 */
int mr_wire_write_end(struct mr_wire_writer *w);

/** HELLO, PING and DESCRIBE. @return bytes or -EMSGSIZE / -EINVAL. */
int mr_wire_hello_encode(
	void *data, size_t capacity_bytes, const struct mr_wire_ask *ask, uint64_t nonce);
int mr_wire_ping_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask);
/** Pads the request to the whole capacity, so that the reply may be as long; at least 64 bytes. */
int mr_wire_describe_encode(void *data, size_t capacity_bytes, const struct mr_wire_ask *ask,
	const char *name, uint32_t offset);

// ---- client side: replies in --------------------------------------------------------------------

/** A reply datagram that passed validation. */
struct mr_wire_reply {
	uint64_t request_id;
	uint32_t layout;
	uint16_t flags;
	uint16_t frag, frag_count;
	uint16_t first_entry, entry_count;
	uint8_t version, op, result;
	uint8_t key_count, set_count;
	const uint8_t *body;
	uint16_t body_bytes;  //!< without the times
	const uint8_t *times; //!< with MR_WIRE_R_TIMES; else NULL
};

/**
 * Validates a reply wholly, entries included. @return NONE or the defect.
 *
 * @param ret
 *   Filled when NONE is returned. For other defects than TRUNCATED and BAD_MAGIC, request_id,
 *   version, op and result are filled: BAD_VERSION with MR_WIRE_RESULT_BAD_VERSION is a server that
 *   answers in a version it does speak. A result this library does not know is a refusal.
 */
enum mr_wire_defect mr_wire_reply_decode(const void *data, size_t bytes, struct mr_wire_reply *ret);

/** One entry (or piece) of a valid GET reply. */
struct mr_wire_value {
	uint64_t event_time_us;
	const uint8_t *piece;
	uint16_t entry; //!< key * set_count + set
	uint16_t row_bytes, piece_offset, piece_bytes;
	uint8_t status;
};

/**
 * Steps through the entries of a valid GET reply. Start with *cursor = 0. @return false at the end.
 * A status this library does not know reads as MR_STATUS_ERROR.
 */
bool mr_wire_entry_next(
	const struct mr_wire_reply *rep, uint32_t *cursor, struct mr_wire_value *ret_value);

/** Status of record @p i < entry_count of a valid PUT or DELETE reply; unknown reads as ERROR. */
enum mr_status mr_wire_ack_status(const struct mr_wire_reply *rep, unsigned i);

/** The times that end a valid reply. @return false: there are none. */
bool mr_wire_times_get(const struct mr_wire_reply *rep, struct mr_wire_times *ret_times);

/** Bodies of valid HELLO and DESCRIBE replies. The text has no terminating zero. */
void mr_wire_hello_reply_get(const struct mr_wire_reply *rep, struct mr_wire_hello_reply *ret);
void mr_wire_describe_reply_get(
	const struct mr_wire_reply *rep, struct mr_wire_describe_reply *ret, const char **ret_text);
