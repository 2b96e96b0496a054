// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * Inside lib/client. A call (struct mr_client_result while it is open) is cut into parts; a part is
 * one request datagram and owns one slot, whose number sits in the low bits of the request id, so
 * that an answer finds its part without a search.
 *
 *     submit -> calls -> (slot free) part -> link->sendq -> flying -> answered -> call done
 *                 ^                             ^   |
 *                 |                             |   +- timed out: sendq of the next link, or given
 * up |                             +- link->hello_waiters: the cookie ran out
 *                 +- view->waiters: the layout changed, DESCRIBE is under way
 *
 * A part is always on exactly one list, named by part->list. Files: mr_client.c (open, close, sync
 * calls), _server (addresses, sockets), _link (bursts in and out), _part (slots, attempts), _call
 * (splitting), _reply (dispatch), _gather (rows), _view (DESCRIBE), _result (accessors).
 */

#include "mr_catalog.h"
#include "mr_client.h"
#include "mr_wire.h"
#include "mr_wire_keys.h"

#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define MR_CLIENT_SLOT_BITS 20
#define MR_CLIENT_BURST 32
/** Slots beyond the caller's, for HELLO and DESCRIBE. */
#define MR_CLIENT_SPARE_SLOTS (MR_CLIENT_SERVERS_MAX * MR_CLIENT_SOCKETS_MAX + 64)
#define MR_CLIENT_MIN_PAYLOAD 256u
/** A request is cut so that its answer takes about this many datagrams at most. */
#define MR_CLIENT_REPLY_DATAGRAMS 8u
#define MR_CLIENT_RESTARTS_MAX 3u
#define MR_CLIENT_COOKIE_ROUNDS_MAX 3u
#define MR_CLIENT_TEXT_MAX_BYTES (4u << 20)
#define MR_CLIENT_DEFS_MAX 64u
#define MR_CLIENT_DATAGRAM_BYTES 65536u

struct mr_client_part;
struct mr_client_slab;
TAILQ_HEAD(mr_client_parts, mr_client_part);
TAILQ_HEAD(mr_client_calls, mr_client_result);
TAILQ_HEAD(mr_client_views, mr_client_view);

/** One connected socket: a flow to one server. */
struct mr_client_link {
	int fd;
	uint16_t server;
	bool hello_pending;
	bool hello_done;
	bool wants_out; //!< the kernel's buffer is full; told to epoll
	uint64_t cookie;
	uint64_t renew_ns; //!< when to ask for the next one
	struct mr_client_parts sendq;
	struct mr_client_parts hello_waiters;
};

struct mr_client_server {
	char *name;
	struct sockaddr_storage address;
	socklen_t address_bytes;
	uint64_t last_rx_ns;
};

/** A view's description at one layout. Results keep theirs. */
struct mr_client_def {
	unsigned refs;
	void *mem;
	const struct mr_view *view;
};

struct mr_client_view {
	TAILQ_ENTRY(mr_client_view) next;       // of client->views
	TAILQ_ENTRY(mr_client_view) next_asked; // of client->describes
	char *name;
	struct mr_client_def *def;                      //!< the newest; NULL: never described
	struct mr_client_def *defs[MR_CLIENT_DEFS_MAX]; //!< all of them
	unsigned n_defs;
	bool is_stale;      //!< the server said so, or answered in another layout
	bool is_describing; //!< a DESCRIBE is under way, or waits for a slot
	int describe_error; //!< of the last one: 0 or -errno
	struct mr_err err;
	char *text; //!< gathered so far
	uint32_t text_bytes, total_bytes;
	uint32_t layout;
	uint16_t id;
	struct mr_client_calls waiters;
};

struct mr_client_part {
	TAILQ_ENTRY(mr_client_part) next;
	struct mr_client_parts *list;
	struct mr_client_link *link;
	struct mr_client_result *call; //!< GET, PUT, DELETE, PING
	struct mr_client_view *view;   //!< DESCRIBE
	uint64_t request_id;           //!< 0: the slot is free
	uint64_t sent_ns, deadline_ns;
	size_t first_key;
	size_t entries_left;
	uint8_t *data;
	uint32_t bytes;
	uint8_t n_keys;
	uint8_t op;
	uint8_t cookie_rounds;
	uint32_t attempts;
};

/** A row that comes in pieces. */
struct mr_client_pieces {
	uint32_t got_bytes;
	uint8_t *seen; //!< one bit a byte
	uint8_t row[];
};

enum mr_client_entry_state {
	MR_CLIENT_ENTRY_OPEN,
	MR_CLIENT_ENTRY_PIECES,
	MR_CLIENT_ENTRY_DONE,
};

struct mr_client_entry {
	uint64_t event_time_us;
	union {
		const uint8_t *row;              // DONE
		struct mr_client_pieces *pieces; // PIECES
	};
	uint32_t row_bytes;
	uint8_t status;
	uint8_t state;
};

/** What was asked for one key. Offsets go into the call's blob. */
struct mr_client_ask {
	size_t key_offset, row_offset;
	uint64_t event_time_us;
	uint32_t row_bytes;
	uint8_t key_bytes;
};

struct mr_client_result {
	TAILQ_ENTRY(mr_client_result) next;
	struct mr_client_view *view; //!< GET
	struct mr_client_def *def;   //!< GET: what the entries are in
	void *user;
	struct mr_client_ask *asks;
	uint8_t *blob;
	size_t n_keys, n_entries;
	size_t cursor; //!< first key not yet in a part
	struct mr_client_entry *entries;
	struct mr_client_slab *slabs; //!< memory of whole rows
	uint64_t rtt_ns;              //!< PING
	uint32_t layout;              //!< PUT
	uint32_t parts_open;
	uint64_t as_of_us; //!< GET with MR_WIRE_F_ASOF
	uint64_t trace_id; //!< with MR_WIRE_F_TRACE
	uint16_t flags;    //!< MR_WIRE_F_TRACE, _TIMES; GET: _STRONG, _ASOF
	uint16_t set_id;   //!< PUT, DELETE
	uint16_t n_sets;
	uint8_t op;
	uint8_t restarts;
	uint8_t refusal; //!< enum mr_wire_result; OK: none
	bool durable;
	bool is_done;
	bool has_times;
	struct mr_client_times times;
	char set_name[MR_NAME_MAX_BYTES + 1]; //!< PUT, DELETE: to find what went stale
};

struct mr_client {
	struct mr_client_options options;
	unsigned n_servers, n_links;
	unsigned server;    //!< in use
	unsigned next_link; //!< of its sockets
	int epoll_fd;
	uint32_t max_payload_bytes;
	struct mr_wire_mac_key mac_key; //!< id 0: writes are not signed
	uint64_t trace_id;              //!< of calls from here on
	bool times;                     //!< they ask for them
	bool bad_version;               //!< a server answered, but in no version of ours
	uint64_t id_counter;
	uint32_t n_slots, n_free, n_user_parts;
	struct mr_client_part *slots;
	uint32_t *free_slots;
	struct mr_client_parts flying; //!< by deadline
	struct mr_client_calls calls;  //!< with keys not yet in parts
	struct mr_client_calls busy;   //!< all keys in parts, answers outstanding
	struct mr_client_calls done;
	size_t n_open, n_done;
	struct mr_client_views views;
	struct mr_client_views describes; //!< wait for a slot
	unsigned n_describing;            //!< have one
	struct mr_client_server servers[MR_CLIENT_SERVERS_MAX];
	struct mr_client_link links[MR_CLIENT_SERVERS_MAX * MR_CLIENT_SOCKETS_MAX];
	uint8_t *scratch;   //!< one request
	uint8_t *rx_memory; //!< MR_CLIENT_BURST datagrams
	struct mr_client_stats stats;
};

static inline bool mr_client_is_user_op(unsigned op)
{
	return op != MR_WIRE_OP_HELLO && op != MR_WIRE_OP_DESCRIBE;
}

uint64_t mr_client_now_ns(void);

// mr_client.c: everything but sockets; fuzz targets and tests use these.
struct mr_client *mr_client_new(const struct mr_client_options *options, struct mr_err *err);
/** One turn: sends, receives, repeats; when nothing came, waits for something up to @p timeout_us.
 */
void mr_client_step(struct mr_client *client, uint64_t timeout_us);

// _server
int mr_client_servers_parse(struct mr_client *client, const char *servers, struct mr_err *err);
int mr_client_sockets_open(struct mr_client *client, struct mr_err *err);
void mr_client_sockets_close(struct mr_client *client);
/** Payload that fits the path of this socket without IP fragments. */
uint32_t mr_client_path_payload(const struct mr_client_link *link);

// _link
void mr_client_flush(struct mr_client *client);
/** @return datagrams received. */
unsigned mr_client_receive(struct mr_client *client);

// _part
struct mr_client_part *mr_client_part_new(
	struct mr_client *client, uint8_t op, const void *data, uint32_t bytes);
uint64_t mr_client_next_id(const struct mr_client *client);
void mr_client_part_free(struct mr_client *client, struct mr_client_part *part);
void mr_client_part_move(struct mr_client_part *part, struct mr_client_parts *list);
/** Queues a part on a socket of the server in use, or on its own link for a HELLO. */
void mr_client_part_queue(struct mr_client *client, struct mr_client_part *part);
/** No answer to this attempt: the next one, or the end. */
void mr_client_part_timeout(struct mr_client *client, struct mr_client_part *part);
/** Ends a part: what is still open in it gets @p status. */
void mr_client_part_end(
	struct mr_client *client, struct mr_client_part *part, enum mr_client_status status);
void mr_client_expire(struct mr_client *client, uint64_t now_ns);
/** An ICMP error said that nobody listens at @p server. */
void mr_client_server_gone(struct mr_client *client, unsigned server);
void mr_client_hello(struct mr_client *client, struct mr_client_link *link);
void mr_client_hello_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply);

// _call
int mr_client_call_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	void *user, struct mr_client_result **ret_call);
int mr_client_call_write(struct mr_client *client, uint8_t op, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user,
	struct mr_client_result **ret_call);
int mr_client_call_ping(struct mr_client *client, struct mr_client_result **ret_call);
/** Cuts open calls into parts while there are slots. */
void mr_client_calls_start(struct mr_client *client);
void mr_client_call_check_done(struct mr_client *client, struct mr_client_result *call);
/** The answer was in another layout: describe the view and ask everything again. */
void mr_client_call_restart(struct mr_client *client, struct mr_client_result *call);
/** Binds a call to its view as it is now, and puts it in line again. It is on no list. */
void mr_client_call_resume(struct mr_client *client, struct mr_client_result *call);
/** Gives all entries not done the status, and completes the call. It has no parts and is on no
 * list. */
void mr_client_call_fail(struct mr_client *client, struct mr_client_result *call,
	enum mr_client_status status, uint8_t refusal);

// _reply
/** Takes one datagram from @p link in. */
void mr_client_datagram(
	struct mr_client *client, struct mr_client_link *link, const void *data, size_t bytes);

// _gather
void mr_client_gather(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply);
void mr_client_entry_drop_pieces(struct mr_client_entry *entry);
void mr_client_slabs_free(struct mr_client_slab *slabs);

// _view
void mr_client_describe(struct mr_client *client, struct mr_client_view *view);
void mr_client_describes_start(struct mr_client *client);
void mr_client_describe_reply(
	struct mr_client *client, struct mr_client_part *part, const struct mr_wire_reply *reply);
void mr_client_describe_fail(struct mr_client *client, struct mr_client_view *view, int error);
struct mr_client_view *mr_client_view_find(const struct mr_client *client, const char *name);
void mr_client_view_free(struct mr_client_view *view);
void mr_client_def_drop(struct mr_client_def *def);
