// SPDX-License-Identifier: BSD-3-Clause

#include "mr_client_impl.h"
#include "mr_units.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>

#define DEFAULT_TIMEOUT_US 100000u
#define DEFAULT_ATTEMPTS 3u
#define DEFAULT_IN_FLIGHT 256u
#define DEFAULT_SOCKETS 4u
#define DEFAULT_SOCKET_BYTES (4u << 20)
#define MAX_IN_FLIGHT 65536u
#define MAX_PAYLOAD_BYTES 65507u

static_assert(MAX_IN_FLIGHT + MR_CLIENT_SPARE_SLOTS < 1u << MR_CLIENT_SLOT_BITS, "slot numbers");
static_assert(MR_CLIENT_SERVERS_MAX <= UINT16_MAX, "link.server");

uint64_t mr_client_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MR_NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
	return value != 0 ? value : fallback;
}

static int set_options(
	struct mr_client *client, const struct mr_client_options *given, struct mr_err *err)
{
	struct mr_client_options *o = &client->options;

	if (given != NULL)
		*o = *given;
	o->timeout_us = or_default(o->timeout_us, DEFAULT_TIMEOUT_US);
	o->attempts = or_default(o->attempts, DEFAULT_ATTEMPTS);
	o->max_in_flight = or_default(o->max_in_flight, DEFAULT_IN_FLIGHT);
	o->n_sockets = or_default(o->n_sockets, DEFAULT_SOCKETS);
	o->max_payload_bytes = or_default(o->max_payload_bytes, MAX_PAYLOAD_BYTES);
	while (o->steer_by_key && (o->n_sockets & (o->n_sockets - 1)) != 0)
		o->n_sockets++;
	o->socket_bytes = or_default(o->socket_bytes, DEFAULT_SOCKET_BYTES);
	if (o->max_in_flight > MAX_IN_FLIGHT)
		return mr_fail(err, EINVAL, "max_in_flight %u: at most %u", o->max_in_flight,
			MAX_IN_FLIGHT);
	if (o->n_sockets > MR_CLIENT_SOCKETS_MAX)
		return mr_fail(err, EINVAL, "n_sockets %u: at most %u", o->n_sockets,
			MR_CLIENT_SOCKETS_MAX);
	if (o->max_payload_bytes < MR_CLIENT_MIN_PAYLOAD ||
		o->max_payload_bytes > MAX_PAYLOAD_BYTES)
		return mr_fail(err, EINVAL, "max_payload_bytes %u: from %u to %u",
			o->max_payload_bytes, MR_CLIENT_MIN_PAYLOAD, MAX_PAYLOAD_BYTES);
	client->max_payload_bytes = o->max_payload_bytes;
	return 0;
}

static int load_mac_key(struct mr_client *client, struct mr_err *err)
{
	const char *file = client->options.mac_key_file;
	struct mr_wire_keys keys;
	int rc;

	client->options.mac_key_file = NULL;
	if (file == NULL)
		return 0;
	rc = mr_wire_keys_load(&keys, file, err);
	if (rc != 0)
		return rc;
	if (keys.n_mac > 0)
		client->mac_key = keys.mac[0];
	else
		rc = mr_fail(err, EINVAL, "%s: no [mac] key in it", file);
	mr_wire_keys_wipe(&keys);
	return rc;
}

static int make_slots(struct mr_client *client)
{
	uint32_t n = client->options.max_in_flight + MR_CLIENT_SPARE_SLOTS;

	client->slots = calloc(n, sizeof(*client->slots));
	client->free_slots = calloc(n, sizeof(*client->free_slots));
	client->scratch = malloc(MR_CLIENT_DATAGRAM_BYTES);
	client->rx_memory = malloc((size_t)MR_CLIENT_BURST * MR_CLIENT_DATAGRAM_BYTES);
	if (client->slots == NULL || client->free_slots == NULL || client->scratch == NULL ||
		client->rx_memory == NULL)
		return -ENOMEM;
	client->n_slots = n;
	client->n_free = n;
	for (uint32_t i = 0; i < n; i++)
		client->free_slots[i] = n - 1 - i;
	return 0;
}

struct mr_client *mr_client_new(const struct mr_client_options *options, struct mr_err *err)
{
	struct mr_client *client = calloc(1, sizeof(*client));
	int rc;

	if (client == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	client->epoll_fd = -1;
	for (unsigned i = 0; i < MR_ARRAY_SIZE(client->links); i++) {
		client->links[i].fd = -1;
		TAILQ_INIT(&client->links[i].sendq);
		TAILQ_INIT(&client->links[i].hello_waiters);
	}
	TAILQ_INIT(&client->flying);
	TAILQ_INIT(&client->calls);
	TAILQ_INIT(&client->busy);
	TAILQ_INIT(&client->done);
	TAILQ_INIT(&client->views);
	TAILQ_INIT(&client->describes);
	if (getrandom(&client->id_counter, sizeof(client->id_counter), 0) !=
		sizeof(client->id_counter))
		client->id_counter = mr_client_now_ns();
	rc = set_options(client, options, err);
	if (rc == 0)
		rc = load_mac_key(client, err);
	if (rc == 0)
		rc = make_slots(client);
	if (rc != 0) {
		mr_client_close(client);
		errno = -rc;
		return NULL;
	}
	return client;
}

static void free_calls(struct mr_client_calls *calls)
{
	struct mr_client_result *call;

	while ((call = TAILQ_FIRST(calls)) != NULL) {
		TAILQ_REMOVE(calls, call, next);
		mr_client_result_free(call);
	}
}

void mr_client_close(struct mr_client *client)
{
	struct mr_client_view *view;

	if (client == NULL)
		return;
	for (uint32_t i = 0; i < client->n_slots; i++)
		free(client->slots[i].data);
	free_calls(&client->calls);
	free_calls(&client->busy);
	free_calls(&client->done);
	while ((view = TAILQ_FIRST(&client->views)) != NULL) {
		TAILQ_REMOVE(&client->views, view, next);
		free_calls(&view->waiters);
		mr_client_view_free(view);
	}
	mr_client_sockets_close(client);
	free(client->slots);
	free(client->free_slots);
	free(client->scratch);
	free(client->rx_memory);
	explicit_bzero(&client->mac_key, sizeof(client->mac_key));
	free(client);
}

// ---- opening -----------------------------------------------------------------------------------

/** What the HELLOs to a server have come to. */
enum hello { HELLO_PENDING, HELLO_ANSWERED, HELLO_SILENT };

/** One socket that was answered will do: the others get their cookies when they need them. */
static enum hello hello_of(const struct mr_client *client, unsigned server)
{
	unsigned n_sockets = client->options.n_sockets;
	bool answered = false;

	for (unsigned i = server * n_sockets; i < (server + 1) * n_sockets; i++) {
		if (client->links[i].hello_pending)
			return HELLO_PENDING;
		answered |= client->links[i].hello_done;
	}
	return answered ? HELLO_ANSWERED : HELLO_SILENT;
}

/** Waits until the first server that answers, in the order given, is known. */
static int wait_for_server(struct mr_client *client, struct mr_err *err)
{
	for (unsigned i = 0; i < client->n_servers; i++) {
		while (hello_of(client, i) == HELLO_PENDING)
			mr_client_step(client, UINT64_MAX);
		if (hello_of(client, i) == HELLO_ANSWERED) {
			client->server = i;
			return 0;
		}
	}
	if (client->bad_version)
		return mr_fail(err, EPROTO,
			"server %s speaks no protocol version of this client's (%u): update one of "
			"them",
			client->servers[0].name, MR_WIRE_VERSION);
	return mr_fail(err, ETIMEDOUT,
		"no server answered (%s%s): is millraced running there, and may this host reach "
		"it?",
		client->servers[0].name, client->n_servers > 1 ? ", ..." : "");
}

struct mr_client *mr_client_open(
	const char *servers, const struct mr_client_options *options, struct mr_err *err)
{
	struct mr_client *client = mr_client_new(options, err);
	int rc;

	if (client == NULL)
		return NULL;
	rc = mr_client_servers_parse(client, servers, err);
	if (rc == 0)
		rc = mr_client_sockets_open(client, err);
	if (rc == 0) {
		for (unsigned i = 0; i < client->n_links; i++)
			mr_client_hello(client, &client->links[i]);
		rc = wait_for_server(client, err);
	}
	if (rc != 0) {
		mr_client_close(client);
		errno = -rc;
		return NULL;
	}
	return client;
}

// ---- turning the wheel -------------------------------------------------------------------------

static void start_and_flush(struct mr_client *client)
{
	mr_client_describes_start(client);
	mr_client_calls_start(client);
	mr_client_flush(client);
}

/** @return true when something came, timed out or completed. */
static bool send_and_receive(struct mr_client *client)
{
	uint64_t timeouts = client->stats.timeouts;
	size_t n_done = client->n_done;
	unsigned received;

	start_and_flush(client);
	received = mr_client_receive(client);
	mr_client_expire(client, mr_client_now_ns());
	return received > 0 || timeouts != client->stats.timeouts || n_done != client->n_done;
}

static bool is_under_way(const struct mr_client *client)
{
	if (!TAILQ_EMPTY(&client->flying))
		return true;
	for (unsigned i = 0; i < client->n_links; i++)
		if (!TAILQ_EMPTY(&client->links[i].sendq))
			return true;
	return false;
}

uint64_t mr_client_wait_us(const struct mr_client *client)
{
	const struct mr_client_part *part = TAILQ_FIRST(&client->flying);
	uint64_t now_ns;

	if (part == NULL)
		return UINT64_MAX;
	now_ns = mr_client_now_ns();
	if (part->deadline_ns <= now_ns)
		return 0;
	return (part->deadline_ns - now_ns + MR_NS_PER_US - 1) / MR_NS_PER_US;
}

void mr_client_step(struct mr_client *client, uint64_t timeout_us)
{
	struct pollfd pollfd = {.fd = client->epoll_fd, .events = POLLIN};
	struct timespec wait;
	uint64_t wait_us;

	if (send_and_receive(client)) {
		// Slots may be free now, and attempts to repeat.
		start_and_flush(client);
		return;
	}
	wait_us = MR_MIN(mr_client_wait_us(client), timeout_us);
	if (wait_us == 0 || !is_under_way(client))
		return;
	wait_us = MR_MIN(wait_us, UINT64_C(3600) * MR_US_PER_S);
	wait.tv_sec = (time_t)(wait_us / MR_US_PER_S);
	wait.tv_nsec = (long)(wait_us % MR_US_PER_S * MR_NS_PER_US);
	ppoll(&pollfd, 1, &wait, NULL);
	if (send_and_receive(client))
		start_and_flush(client);
}

int mr_client_poll(struct mr_client *client, uint64_t timeout_us)
{
	uint64_t start_ns = mr_client_now_ns();
	uint64_t passed_us = 0;

	for (;;) {
		mr_client_step(client, client->n_done > 0 ? 0 : timeout_us - passed_us);
		if (client->n_done > 0 || client->n_open == 0)
			break;
		passed_us = (mr_client_now_ns() - start_ns) / MR_NS_PER_US;
		if (passed_us >= timeout_us)
			break;
	}
	return (int)MR_MIN(client->n_done, (size_t)INT32_MAX);
}

struct mr_client_result *mr_client_take(struct mr_client *client)
{
	struct mr_client_result *call = TAILQ_FIRST(&client->done);

	if (call == NULL)
		return NULL;
	TAILQ_REMOVE(&client->done, call, next);
	client->n_done--;
	return call;
}

// ---- calls -------------------------------------------------------------------------------------

static struct mr_client_result *wait_for(struct mr_client *client, struct mr_client_result *call)
{
	while (!call->is_done)
		mr_client_step(client, UINT64_MAX);
	TAILQ_REMOVE(&client->done, call, next);
	client->n_done--;
	return call;
}

int mr_client_get_as(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	struct mr_client_result **ret_result)
{
	struct mr_client_result *call;
	int rc = mr_client_call_get(client, view, read, keys, n_keys, NULL, &call);

	if (rc == 0)
		*ret_result = wait_for(client, call);
	return rc;
}

void mr_client_trace(struct mr_client *client, uint64_t trace_id, bool times)
{
	client->trace_id = trace_id;
	client->times = times;
}

int mr_client_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_key *keys, size_t n_keys, struct mr_client_result **ret_result)
{
	return mr_client_get_as(client, view, NULL, keys, n_keys, ret_result);
}

static int write_sync(struct mr_client *client, uint8_t op, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, struct mr_client_result **ret_result)
{
	struct mr_client_result *call;
	int rc = mr_client_call_write(client, op, schema, rows, n_rows, NULL, &call);

	if (rc == 0)
		*ret_result = wait_for(client, call);
	return rc;
}

int mr_client_put(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, struct mr_client_result **ret_result)
{
	return write_sync(client, MR_WIRE_OP_PUT, schema, rows, n_rows, ret_result);
}

int mr_client_delete(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, struct mr_client_result **ret_result)
{
	return write_sync(client, MR_WIRE_OP_DELETE, schema, rows, n_rows, ret_result);
}

int mr_client_submit_get(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_key *keys, size_t n_keys, void *user)
{
	return mr_client_call_get(client, view, NULL, keys, n_keys, user, NULL);
}

int mr_client_submit_get_as(struct mr_client *client, struct mr_client_view *view,
	const struct mr_client_read *read, const struct mr_client_key *keys, size_t n_keys,
	void *user)
{
	return mr_client_call_get(client, view, read, keys, n_keys, user, NULL);
}

int mr_client_submit_put(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user)
{
	return mr_client_call_write(client, MR_WIRE_OP_PUT, schema, rows, n_rows, user, NULL);
}

int mr_client_submit_delete(struct mr_client *client, const struct mr_schema *schema,
	const struct mr_client_row *rows, size_t n_rows, void *user)
{
	return mr_client_call_write(client, MR_WIRE_OP_DELETE, schema, rows, n_rows, user, NULL);
}

int mr_client_ping(struct mr_client *client, uint64_t *ret_rtt_ns)
{
	struct mr_client_result *call;
	int rc = mr_client_call_ping(client, &call);

	if (rc != 0)
		return rc;
	wait_for(client, call);
	// A refusal is an answer too.
	rc = call->entries[0].status == MR_CLIENT_LOST ? -ETIMEDOUT : 0;
	if (rc == 0)
		*ret_rtt_ns = call->rtt_ns;
	mr_client_result_free(call);
	return rc;
}

// ---- asking the client -------------------------------------------------------------------------

size_t mr_client_open_calls(const struct mr_client *client)
{
	return client->n_open;
}

int mr_client_fd(const struct mr_client *client)
{
	return client->epoll_fd;
}

void mr_client_stats(const struct mr_client *client, struct mr_client_stats *ret_stats)
{
	*ret_stats = client->stats;
}

const char *mr_client_server_name(const struct mr_client *client)
{
	return client->servers[client->server].name;
}

unsigned mr_client_max_payload_bytes(const struct mr_client *client)
{
	return client->max_payload_bytes;
}
