// SPDX-License-Identifier: BSD-3-Clause

#include "sender.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#define BATCH_ROWS_MAX 255u
#define WINDOW_MAX 256u
#define WINDOW_START 16u
#define PAUSE_MIN_US 1000u
#define PAUSE_DOUBLINGS_MAX 8u
// docs/protocol.md: what a PUT needs besides the rows, and a row besides its bytes.
#define PUT_BYTES 40u
#define RECORD_BYTES 16u

/** What one datagram carries. */
struct batch {
	TAILQ_ENTRY(batch) next;
	unsigned n;
	unsigned tries;
	uint64_t not_before_ns;
	size_t wire_bytes; //!< of the datagram
	size_t data_bytes;
	struct mr_client_row rows[BATCH_ROWS_MAX];
	uint8_t data[];
};
TAILQ_HEAD(batches, batch);

struct sender {
	struct mr_client *client;
	const struct mr_schema *schema;
	uint64_t give_up_ns, last_ack_ns;
	unsigned window, n_under_way;
	struct batch *open;
	struct batches pausing; //!< to be sent again
	struct batches unused;
	struct sender_counts counts;
};

static size_t record_bytes(unsigned key_bytes, uint32_t row_bytes)
{
	return RECORD_BYTES + MR_ALIGN_UP((size_t)key_bytes, 8u) +
	       MR_ALIGN_UP((size_t)row_bytes, 8u);
}

struct sender *sender_new(
	struct mr_client *client, const struct mr_schema *schema, uint64_t give_up_us)
{
	struct sender *sender = calloc(1, sizeof(*sender));

	if (sender == NULL)
		return NULL;
	sender->client = client;
	sender->schema = schema;
	sender->give_up_ns = give_up_us * MR_NS_PER_US;
	sender->window = WINDOW_START;
	TAILQ_INIT(&sender->pausing);
	TAILQ_INIT(&sender->unused);
	return sender;
}

static void free_batches(struct batches *batches)
{
	struct batch *batch;

	while ((batch = TAILQ_FIRST(batches)) != NULL) {
		TAILQ_REMOVE(batches, batch, next);
		free(batch);
	}
}

void sender_free(struct sender *sender)
{
	struct mr_client_result *result;

	if (sender == NULL)
		return;
	// Batches under way belong to calls: they come back, one way or another.
	while (sender->n_under_way > 0) {
		mr_client_poll(sender->client, MR_US_PER_S);
		while ((result = mr_client_take(sender->client)) != NULL) {
			free(mr_client_result_user(result));
			mr_client_result_free(result);
			sender->n_under_way--;
		}
	}
	free_batches(&sender->pausing);
	free_batches(&sender->unused);
	free(sender->open);
	free(sender);
}

bool sender_fits(const struct sender *sender, unsigned key_bytes, uint32_t row_bytes)
{
	return PUT_BYTES + record_bytes(key_bytes, row_bytes) <=
	       mr_client_max_payload_bytes(sender->client);
}

static int submit(struct sender *sender, struct batch *batch)
{
	int rc;

	batch->tries++;
	rc = mr_client_submit_put(sender->client, sender->schema, batch->rows, batch->n, batch);
	if (rc == 0)
		sender->n_under_way++;
	return rc;
}

static bool is_worth_another_try(enum mr_client_status status)
{
	return status == MR_CLIENT_LOST || status == MR_CLIENT_BUSY || status == MR_CLIENT_DEGRADED;
}

/** Counts what is acknowledged; keeps in the batch what is to be sent again. @return 0, -errno. */
static int sort_out(struct sender *sender, const struct mr_client_result *result,
	struct batch *batch, struct mr_err *err)
{
	bool durable = mr_client_result_durable(result);
	unsigned kept = 0;

	for (unsigned i = 0; i < batch->n; i++) {
		enum mr_client_status status = mr_client_result_status(result, i, 0);

		if (status == MR_CLIENT_OK || status == MR_CLIENT_SUPERSEDED) {
			sender->counts.stored += status == MR_CLIENT_OK;
			sender->counts.superseded += status == MR_CLIENT_SUPERSEDED;
			sender->counts.not_durable += status == MR_CLIENT_OK && !durable;
			sender->last_ack_ns = clock_ns();
		} else if (is_worth_another_try(status))
			batch->rows[kept++] = batch->rows[i];
		else
			return mr_fail(err, EREMOTEIO, "the server refused rows: %s%s%s",
				mr_client_status_name(status),
				mr_client_result_refusal(result) != NULL ? ": " : "",
				mr_client_result_refusal(result) != NULL
					? mr_client_result_refusal(result)
					: "");
	}
	batch->n = kept;
	sender->counts.resent += kept;
	return 0;
}

static void pause_batch(struct sender *sender, struct batch *batch)
{
	unsigned doublings = MR_MIN(batch->tries - 1, PAUSE_DOUBLINGS_MAX);

	batch->not_before_ns = clock_ns() + ((uint64_t)PAUSE_MIN_US << doublings) * MR_NS_PER_US;
	TAILQ_INSERT_TAIL(&sender->pausing, batch, next);
	sender->window = MR_MAX(sender->window / 2, 1u);
}

/** Takes what is answered. */
static int collect(struct sender *sender, struct mr_err *err)
{
	struct mr_client_result *result;
	int rc = 0;

	while ((result = mr_client_take(sender->client)) != NULL) {
		struct batch *batch = mr_client_result_user(result);

		sender->n_under_way--;
		if (rc == 0)
			rc = sort_out(sender, result, batch, err);
		mr_client_result_free(result);
		if (rc == 0 && batch->n > 0) {
			pause_batch(sender, batch);
			continue;
		}
		sender->window = MR_MIN(sender->window + 1, WINDOW_MAX);
		TAILQ_INSERT_TAIL(&sender->unused, batch, next);
	}
	return rc;
}

/** Sends what has paused long enough. @return microseconds until the next, at most @p limit_us. */
static int resume(struct sender *sender, uint64_t limit_us, uint64_t *ret_wait_us)
{
	uint64_t now_ns = clock_ns();
	struct batch *batch, *after;

	*ret_wait_us = limit_us;
	for (batch = TAILQ_FIRST(&sender->pausing); batch != NULL; batch = after) {
		int rc;

		after = TAILQ_NEXT(batch, next);
		if (batch->not_before_ns > now_ns) {
			uint64_t wait_us = (batch->not_before_ns - now_ns) / MR_NS_PER_US + 1;

			*ret_wait_us = MR_MIN(*ret_wait_us, wait_us);
			continue;
		}
		if (sender->n_under_way >= sender->window)
			break;
		rc = submit(sender, batch);
		if (rc != 0)
			return rc;
		TAILQ_REMOVE(&sender->pausing, batch, next);
	}
	return 0;
}

static void nap(uint64_t us)
{
	struct timespec wait = {
		.tv_sec = (time_t)(us / MR_US_PER_S),
		.tv_nsec = (long)(us % MR_US_PER_S * MR_NS_PER_US),
	};

	nanosleep(&wait, NULL);
}

/** One turn: sends, waits for answers unless @p may_wait is false, takes them. */
static int turn(struct sender *sender, bool may_wait, struct mr_err *err)
{
	uint64_t wait_us;
	int rc = resume(sender, MR_US_PER_S / 10, &wait_us);

	if (rc != 0)
		return mr_fail(err, -rc, "out of memory");
	if (mr_client_open_calls(sender->client) == 0 && may_wait)
		nap(TAILQ_EMPTY(&sender->pausing) ? 0 : wait_us);
	mr_client_poll(sender->client, may_wait ? wait_us : 0);
	rc = collect(sender, err);
	if (rc == 0 && clock_ns() - sender->last_ack_ns > sender->give_up_ns)
		rc = mr_fail(err, ETIMEDOUT,
			"no row was acknowledged for %.0f s: is the appliance there, and does it "
			"write?",
			(double)sender->give_up_ns / MR_NS_PER_S);
	return rc;
}

/** Sends the open batch as soon as the window has room. */
static int send_open(struct sender *sender, struct mr_err *err)
{
	int rc = 0;

	if (sender->n_under_way == 0 && TAILQ_EMPTY(&sender->pausing))
		sender->last_ack_ns = clock_ns();
	while (rc == 0 && (sender->n_under_way >= sender->window || !TAILQ_EMPTY(&sender->pausing)))
		rc = turn(sender, true, err);
	if (rc != 0)
		return rc;
	rc = submit(sender, sender->open);
	if (rc != 0)
		return mr_fail(err, -rc, "out of memory");
	sender->open = NULL;
	return turn(sender, false, err);
}

static struct batch *take_batch(struct sender *sender)
{
	struct batch *batch = TAILQ_FIRST(&sender->unused);

	if (batch != NULL)
		TAILQ_REMOVE(&sender->unused, batch, next);
	else
		batch = malloc(sizeof(*batch) + mr_client_max_payload_bytes(sender->client));
	if (batch == NULL)
		return NULL;
	batch->n = 0;
	batch->tries = 0;
	batch->wire_bytes = PUT_BYTES;
	batch->data_bytes = 0;
	return batch;
}

static const void *copy_into(struct batch *batch, const void *data, size_t bytes)
{
	uint8_t *to = batch->data + batch->data_bytes;

	memcpy(to, data, bytes);
	batch->data_bytes += bytes;
	return to;
}

int sender_add(struct sender *sender, const struct mr_client_row *row, struct mr_err *err)
{
	size_t bytes = record_bytes(row->key.bytes, row->row_bytes);
	struct batch *batch = sender->open;
	int rc;

	if (batch != NULL &&
		(batch->n == BATCH_ROWS_MAX ||
			batch->wire_bytes + bytes > mr_client_max_payload_bytes(sender->client))) {
		rc = send_open(sender, err);
		if (rc != 0)
			return rc;
	}
	if (sender->open == NULL)
		sender->open = take_batch(sender);
	batch = sender->open;
	if (batch == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	batch->rows[batch->n++] = (struct mr_client_row){
		.key = {copy_into(batch, row->key.data, row->key.bytes), row->key.bytes},
		.event_time_us = row->event_time_us,
		.row = copy_into(batch, row->row, row->row_bytes),
		.row_bytes = row->row_bytes,
	};
	batch->wire_bytes += bytes;
	return 0;
}

int sender_finish(struct sender *sender, struct mr_err *err)
{
	int rc = sender->open != NULL ? send_open(sender, err) : 0;

	while (rc == 0 && (sender->n_under_way > 0 || !TAILQ_EMPTY(&sender->pausing)))
		rc = turn(sender, true, err);
	return rc;
}

void sender_counts(const struct sender *sender, struct sender_counts *ret_counts)
{
	*ret_counts = sender->counts;
}
