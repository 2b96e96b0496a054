// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/**
 * @file
 * The client library: features of many entities from a millrace node, over UDP.
 *
 *     struct mr_client *client = mr_client_open("10.0.0.7:7411", NULL, &err);
 *     struct mr_client_view *view = mr_client_resolve(client, "ctr", &err);
 *     mr_client_get(client, view, keys, n_keys, &result);
 *     mr_client_result_find(result, "user.age", &age);
 *     if (mr_client_result_value(result, 0, age, &value) == 0 && !value.is_null) ...
 *
 * Any number of keys goes into one call: the library splits it into datagrams, keeps several of
 * them on their way, puts fragments and pieces of answers together, asks again when an answer does
 * not come, and moves on to the next server when one is silent. Calls are synchronous, or submitted
 * and collected: submit, poll, take; both may be mixed.
 *
 * Ids and retries. The request ids of a client start at a random number. Every attempt of a request
 * carries the same id, so the answer to any attempt answers the request; what comes after that, or
 * for an id that was never given out, is discarded and counted as late. Rows put together from
 * several datagrams never mix two versions of a row. Reads and writes are both repeated: a write
 * is idempotent by its event time (the very same write again is OK; one that a newer event, or an
 * equal one by the tie rule, has beaten is SUPERSEDED). A LOST write may or may not have been
 * applied; send it again with the same event time.
 *
 * Cookies and MACs. A server that wants its clients to prove their addresses hands out cookies in
 * its answer to HELLO; the library sends them along, asks for new ones before they run out, and
 * again when a server says that it wants another. Writes are signed if there is a key. Nothing has
 * to be done about either.
 *
 * Failing over. All servers named are taken to hold the same data. One is asked at a time; a server
 * that let an attempt time out, and has sent nothing since that attempt began, is left for the
 * next.
 *
 * Ownership: keys, rows and names are copied by the call. A client, its views and the schemas
 * reached through them live until mr_client_close(); a result lives until
 * mr_client_result_free(), longer than its client if need be.
 *
 * Threads: one thread at a time uses a client and its results; clients are independent of each
 * other, so open one per thread.
 *
 * Cost: one sendmmsg and one recvmmsg per burst and socket; memory for the answers asked for, at
 * most MR_ROW_MAX_BYTES a row, and for options.max_in_flight datagrams.
 *
 * This header may be included from C++. Everything installed beside it is included by it.
 */

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "mr_client_tail.h"
#include "mr_err.h"
#include "mr_key.h"
#include "mr_row.h"
#include "mr_schema.h"
#include "mr_view.h"

#define MR_CLIENT_SERVERS_MAX 16u
#define MR_CLIENT_SOCKETS_MAX 16u
/** What an address without a port means. */
#define MR_CLIENT_DEFAULT_PORT "7411"

struct mr_client;
struct mr_client_view;
struct mr_client_result;

/** How a client behaves. Zero in a field means the default; zero it all, then set what you want. */
struct mr_client_options {
	uint32_t timeout_us;        //!< an attempt waits this long for its answer; 100,000
	uint32_t attempts;          //!< sent at most this often; 3
	uint32_t max_in_flight;     //!< datagrams under way; 256; at most 65,536
	uint32_t n_sockets;         //!< per server: flows to spread over RX queues; 4
	uint32_t deadline_us;       //!< tells the server when an answer is worthless; none
	uint32_t max_payload_bytes; //!< of a request; what server and path allow
	uint32_t write_version;     //!< of the sets to write to; 0: the current one
	uint32_t socket_bytes;      //!< kernel buffer asked for per socket and direction; 4 MiB
	/**
	 * Signs writes: a file with the [mac] key that the server's operator gave out
	 * (docs/security.md), the first one counts; only its owner may be able to read it. Looked
	 * at by mr_client_open() only. NULL: writes are not signed.
	 */
	const char *mac_key_file;
	/**
	 * Sends every request for a key from one and the same socket, and gives the sockets source
	 * ports whose low bits count them: a server whose port is steered by key
	 * (docs/drivers.md) then always looks a key up on one lcore. A request of several keys goes
	 * by its first. n_sockets is rounded up to a power of two.
	 */
	bool steer_by_key;
};

/** How a get reads. All zero: fast, every key by itself as fresh as its last acknowledged write. */
struct mr_client_read {
	/**
	 * All keys at one snapshot of the server's store, none older than any write acknowledged
	 * before the call. They must fit one request: 255 keys at most.
	 */
	bool strong;
	uint64_t as_of_us; //!< the rows as they were then; 0: now. The view's sets keep history
};

/**
 * Where the time of a request went inside the server (docs/protocol.md, Times), in nanoseconds.
 * What it did not go through is 0; UINT32_MAX is that or more.
 */
struct mr_client_times {
	uint64_t trace_id;
	uint32_t total_ns; //!< from receiving it to writing the answer
	uint32_t parse_ns, probe_ns;
	uint32_t ring_ns, queue_ns, lock_ns, read_ns, commit_ns;
	uint32_t met; //!< MR_CLIENT_MET_*
};

#define MR_CLIENT_MET_IO 0x0001u         //!< memory did not have it all, or it was a write
#define MR_CLIENT_MET_COMPACTION 0x0002u //!< the store was compacting
#define MR_CLIENT_MET_STALL 0x0004u      //!< the store slowed writes down, or stopped them
#define MR_CLIENT_MET_BREAKER 0x0008u    //!< the server had given its store up for a while
#define MR_CLIENT_MET_LOOP 0x0010u       //!< the server's receiving loop stood still

/** Outcome of one key in one set of the view, or of one row of a write. */
enum mr_client_status {
	MR_CLIENT_OK = 0,
	MR_CLIENT_NOT_FOUND = 1, //!< the entity has no row in this set
	MR_CLIENT_EXPIRED = 2,   //!< it has one, which has outlived its TTL
	MR_CLIENT_BUSY = 3,      //!< the server shed it: try again
	MR_CLIENT_DEGRADED = 4,  //!< the server's store is not answering: try later
	MR_CLIENT_ERROR = 5,     //!< the server failed to read or write it
	MR_CLIENT_SUPERSEDED =
		6,             //!< write: a newer event is there, or an equal one that wins the tie
	MR_CLIENT_BAD_KEY = 7, //!< not a key of this set
	MR_CLIENT_BAD_ROW = 8, //!< write: the row does not fit the schema
	MR_CLIENT_LOST = 9,    //!< no answer, whatever was tried: nothing is known
	MR_CLIENT_REFUSED = 10,  //!< the request was refused: see mr_client_result_refusal()
	MR_CLIENT_STALE = 11,    //!< the schema changed on the way: resolve again, build rows anew
	MR_CLIENT_TOO_LONG = 12, //!< write: does not fit one datagram to this server
	MR_CLIENT_STATUS_COUNT,
};

/** "ok", "not_found", ... */
const char *mr_client_status_name(enum mr_client_status status);

/** An entity key as bytes: mr_key_encode() or mr_key_parse() make it from typed values or text. */
struct mr_client_key {
	const void *data;
	uint8_t bytes; //!< 1 to 255
};

/** One row to write. */
struct mr_client_row {
	struct mr_client_key key;
	uint64_t event_time_us; //!< microseconds since the epoch: the newest wins
	const void *row;        //!< built by mr_row_builder; NULL in a delete
	uint32_t row_bytes;     //!< 0 in a delete
};

/** A column of a view: which set, which column within it. */
struct mr_client_column {
	uint16_t set;
	uint16_t index;
};

/** What happened so far. Counts only grow. */
struct mr_client_stats {
	uint64_t sent;       //!< datagrams, retries included
	uint64_t received;   //!< datagrams, whatever they were
	uint64_t retries;    //!< datagrams sent again because no answer came
	uint64_t timeouts;   //!< attempts without an answer
	uint64_t late;       //!< datagrams that answer nothing that is open
	uint64_t duplicates; //!< entries that had been received already
	uint64_t malformed;  //!< datagrams or rows that are not what the protocol allows
	uint64_t lost;       //!< keys given up without an answer
	uint64_t refused;    //!< requests refused by a server
	uint64_t failovers;  //!< moves to another server
	uint64_t refreshes;  //!< views described again because their layout had changed
};

// ---- client ------------------------------------------------------------------------------------

/**
 * Opens a client and says HELLO to every server.
 *
 * @param servers
 *   "HOST", "HOST:PORT" or "[IPV6]:PORT", several parted by commas; the first is preferred.
 * @param options
 *   NULL: the defaults.
 * @return
 *   The client, or NULL with errno and a message: EINVAL (address or option), EHOSTUNREACH (a name
 *   that does not resolve), ETIMEDOUT (no server answered), EPROTO (none speaks our version),
 *   ENOMEM, EPERM (others may read the key file), or what open() or socket() says.
 */
struct mr_client *mr_client_open(
	const char *servers, const struct mr_client_options *options, struct mr_err *err);

/** Closes sockets, drops what is under way and frees the client. NULL is allowed. */
void mr_client_close(struct mr_client *client);

void mr_client_stats(const struct mr_client *client, struct mr_client_stats *ret_stats);

/** Round trip to the server in use. @return 0 or -ETIMEDOUT. */
int mr_client_ping(struct mr_client *client, uint64_t *ret_rtt_ns);

/** Address of the server in use, as given to mr_client_open(). */
const char *mr_client_server_name(const struct mr_client *client);

/** Longest request in bytes that the servers and the path to them take. */
unsigned mr_client_max_payload_bytes(const struct mr_client *client);

// ---- views and sets ----------------------------------------------------------------------------

/**
 * Finds a view, or a set (whose own view has all its columns), by name. The first time, and when
 * its layout has changed since, the server is asked; else it costs a search of the names in use.
 *
 * @return NULL with errno and a message: ENOENT (no such name), ETIMEDOUT, EPROTO (the server's
 *   description makes no sense here), ENOMEM.
 */
struct mr_client_view *mr_client_resolve(
	struct mr_client *client, const char *name, struct mr_err *err);

/** The view as it is known now: parts, shapes, names. Valid until the client is closed. */
const struct mr_view *mr_client_view_compiled(const struct mr_client_view *view);

/**
 * Schema of set @p set of the view: key types for mr_key_encode(), shape for mr_row_begin(). Valid
 * until the client is closed. @return NULL when there is no such set.
 */
const struct mr_schema *mr_client_view_schema(const struct mr_client_view *view, unsigned set);

// ---- synchronous calls -------------------------------------------------------------------------

/**
 * Asks for the view's features of @p n_keys entities, any number from 1.
 *
 * @return 0 when every key has a status, LOST among them; *ret_result is the caller's to free.
 *   -EINVAL: no keys, or a key of no bytes; -ENOMEM.
 */
int mr_client_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_key *keys, size_t n_keys, struct mr_client_result **ret_result);

/**
 * As mr_client_get(), read as @p read says. A server that keeps no history, or none that reaches
 * back so far, refuses ("unsupported").
 * @return as mr_client_get(); -EMSGSIZE: strong, and the keys do not fit one request.
 */
int mr_client_get_as(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	struct mr_client_result **ret_result);

/**
 * Writes rows into the set's current version. Rows are sent in the order given.
 *
 * @param schema
 *   The set, from mr_client_view_schema(); the rows were built with its shape.
 * @return as mr_client_get(); the result has one status per row (set 0).
 */
int mr_client_put(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, struct mr_client_result **ret_result);

/** Deletes rows: key and event_time_us of each are looked at. @return as mr_client_put(). */
int mr_client_delete(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, struct mr_client_result **ret_result);

/**
 * Gives the calls from here on a trace id, which the server notes with slow and refused requests,
 * and asks for the times of their stages. 0 and false: neither, as at first.
 */
void mr_client_trace(struct mr_client *client, uint64_t trace_id, bool times);

// ---- asynchronous calls ------------------------------------------------------------------------

/**
 * Submits a call and returns at once; nothing is sent before the next poll. Any number of calls may
 * be open: those beyond options.max_in_flight datagrams wait inside the client.
 *
 * @param user
 *   Comes back from mr_client_result_user().
 * @return 0, -EINVAL or -ENOMEM as the synchronous calls; then no completion comes.
 */
int mr_client_submit_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_key *keys, size_t n_keys, void *user);
int mr_client_submit_get_as(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	void *user);
int mr_client_submit_put(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user);
int mr_client_submit_delete(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user);

/**
 * Sends what waits, receives what came, repeats what timed out; waits up to @p timeout_us (0: not
 * at all) for a call to complete, and no longer than any call is open.
 * @return number of completed calls to take.
 */
int mr_client_poll(struct mr_client *client, uint64_t timeout_us);

/** Takes one completed call; NULL when there is none. The result is the caller's to free. */
struct mr_client_result *mr_client_take(struct mr_client *client);

/** Calls submitted and not yet completed. */
size_t mr_client_open_calls(const struct mr_client *client);

/**
 * A descriptor for the caller's own event loop: readable when mr_client_poll(client, 0) has
 * something to receive. Poll also when mr_client_wait_us() has passed.
 */
int mr_client_fd(const struct mr_client *client);

/** Time until something times out; UINT64_MAX when nothing is under way. */
uint64_t mr_client_wait_us(const struct mr_client *client);

// ---- results -----------------------------------------------------------------------------------

void mr_client_result_free(struct mr_client_result *result);

void *mr_client_result_user(const struct mr_client_result *result);
size_t mr_client_result_n_keys(const struct mr_client_result *result);

/** Sets of the view; 1 for a write. */
unsigned mr_client_result_n_sets(const struct mr_client_result *result);

/** View that the rows of a get were answered in; NULL for a write. Lives as long as the result. */
const struct mr_view *mr_client_result_view(const struct mr_client_result *result);

enum mr_client_status mr_client_result_status(
	const struct mr_client_result *result, size_t key, unsigned set);

/** Number of (key, set) with that status. O(keys * sets). */
size_t mr_client_result_count(const struct mr_client_result *result, enum mr_client_status status);

/** Event time of the row; 0 unless OK or EXPIRED. */
uint64_t mr_client_result_event_time_us(
	const struct mr_client_result *result, size_t key, unsigned set);

/** Why a server refused ("unknown_view", "denied", ...); NULL when none did. */
const char *mr_client_result_refusal(const struct mr_client_result *result);

/**
 * Times of the request that took longest of those that the call was cut into.
 * @return false: none were asked for, or none came.
 */
bool mr_client_result_times(
	const struct mr_client_result *result, struct mr_client_times *ret_times);

/** Write: true when every row that is OK was on stable storage when it was acknowledged. */
bool mr_client_result_durable(const struct mr_client_result *result);

/**
 * Finds a column of the answer by "set.column", or "column" when only one set has it.
 * @return 0; -ENOENT; -ENOTUNIQ: several sets have a column of that name.
 */
int mr_client_result_find(const struct mr_client_result *result, const char *name,
	struct mr_client_column *ret_column);

/**
 * Reads one value; O(1). Pointers in it go into the result.
 *
 * @return 0 (look at ret_value->is_null); for a key without a row what its status means: -ENOENT
 *   not found, -ESTALE expired, -EAGAIN busy or degraded, -ETIMEDOUT lost, -EIO else; -EINVAL: no
 *   such key, set or column.
 */
int mr_client_result_value(const struct mr_client_result *result, size_t key,
	struct mr_client_column column, struct mr_value *ret_value);

/** The whole row of an OK (key, set), in the shape of the view's part. @return NULL when none. */
const void *mr_client_result_row(
	const struct mr_client_result *result, size_t key, unsigned set, uint32_t *ret_row_bytes);

/** -errno for a status, as mr_client_result_value() returns it; 0 for OK. */
int mr_client_status_errno(enum mr_client_status status);

#ifdef __cplusplus
}
#endif
