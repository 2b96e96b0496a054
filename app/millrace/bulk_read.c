// SPDX-License-Identifier: BSD-3-Clause

#include "bulk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS_MAX (2 * BULK_LANES_MAX)

struct block {
	struct reader_block text;
	uint64_t number; //!< in the file
};

/** A bad row, until its block has its turn. */
struct bad_row {
	struct record record; //!< its text is the block's
	char *reason;
};

struct lane {
	struct bulk_reader *all;
	unsigned index;
	pthread_t thread;
	struct reader *reader;
	struct made_row row;
	unsigned flushed; //!< number of the last flush that it took part in
	uint64_t n_good;
	struct bad_row *bad;
	unsigned n_bad, bad_room;
	uint8_t apart[MR_CACHE_LINE_BYTES]; //!< from the next lane, which another thread writes to
};

/** What the lanes share. */
struct bulk_reader {
	struct bulk_read_params p;
	pthread_mutex_t mutex;
	pthread_cond_t changed; //!< anything below
	struct block blocks[BLOCKS_MAX];
	struct block *free[BLOCKS_MAX], *ready[BLOCKS_MAX];
	unsigned n_blocks, n_free, n_ready, first_ready;
	uint64_t n_cut, n_done; //!< blocks; done ones in order
	uint64_t shown_rows;    //!< of the reading thread
	unsigned flush, n_flushed;
	bool ended, failed;
	int error;
	struct mr_err err;
	struct lane lanes[BULK_LANES_MAX];
};

// ---- a lane ------------------------------------------------------------------------------------

static int set_aside(struct lane *lane, const struct record *record, const struct mr_err *reason)
{
	if (lane->n_bad == lane->bad_room) {
		unsigned room = 2 * lane->bad_room + 16;
		struct bad_row *grown = realloc(lane->bad, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		lane->bad = grown;
		lane->bad_room = room;
	}
	lane->bad[lane->n_bad] = (struct bad_row){*record, strdup(reason->text)};
	return lane->bad[lane->n_bad++].reason != NULL ? 0 : -ENOMEM;
}

static int make_row(struct lane *lane, const struct record *record, struct mr_err *err)
{
	const struct bulk_read_params *p = &lane->all->p;
	int ret = binding_make(&p->bindings[lane->index], record, &lane->row, err);

	if (ret == -ENOMEM)
		return ret;
	if (ret < 0) {
		mr_err_prefix(err, "%s:%u: ", p->path, record->line);
		return -EINVAL;
	}
	lane->n_good++;
	return sorter_add(p->sorter, lane->index, &lane->row, err);
}

/** Makes rows of a block; bad ones are set aside. @return 0 or -errno with a message. */
static int parse_block(struct lane *lane, const struct block *block, struct mr_err *err)
{
	struct record record;
	int ret;

	lane->n_good = 0;
	reader_set_block(lane->reader, &block->text);
	while ((ret = reader_next(lane->reader, &record, err)) != 0) {
		if (ret > 0)
			ret = make_row(lane, &record, err);
		if (ret == -EINVAL && lane->all->p.rejects->path != NULL)
			ret = set_aside(lane, &record, err);
		if (ret != 0)
			return ret;
	}
	return 0;
}

static void fail(struct bulk_reader *r, int error, const struct mr_err *err)
{
	if (!r->failed) {
		r->failed = true;
		r->error = error;
		r->err = *err;
	}
	pthread_cond_broadcast(&r->changed);
}

/**
 * Blocks end in the order of the file, so that the first bad row is the one that is told, and bad
 * rows are set aside in order. Locked.
 */
static void end_block(struct lane *lane, struct block *block, int ret, struct mr_err *err)
{
	struct bulk_reader *r = lane->all;

	while (r->n_done != block->number && !r->failed)
		pthread_cond_wait(&r->changed, &r->mutex);
	for (unsigned i = 0; i < lane->n_bad; i++) {
		if (!r->failed && rejects_add(r->p.rejects, lane->reader, &lane->bad[i].record,
					  lane->bad[i].reason, err) != 0)
			fail(r, -EIO, err);
		free(lane->bad[i].reason);
	}
	lane->n_bad = 0;
	if (ret < 0)
		fail(r, ret, err);
	r->p.state->n_good += lane->n_good;
	r->n_done++;
	r->free[r->n_free++] = block;
	pthread_cond_broadcast(&r->changed);
}

static struct block *take_block(struct bulk_reader *r)
{
	struct block *block = r->ready[r->first_ready];

	r->first_ready = (r->first_ready + 1) % BLOCKS_MAX;
	r->n_ready--;
	return block;
}

/** Does what there is to do, once. Locked, but for the work. @return false: nothing is left. */
static bool lane_turn(struct lane *lane)
{
	struct bulk_reader *r = lane->all;
	struct block *block = NULL;
	struct mr_err err = {""};
	bool flush = false;
	int ret = 0;

	while (!r->failed && r->n_ready == 0 && lane->flushed == r->flush && !r->ended)
		pthread_cond_wait(&r->changed, &r->mutex);
	if (r->failed)
		return false;
	if (r->n_ready > 0)
		block = take_block(r);
	else if (lane->flushed != r->flush)
		flush = true;
	pthread_mutex_unlock(&r->mutex);
	if (block != NULL)
		ret = parse_block(lane, block, &err);
	else
		ret = flush ? sorter_flush(r->p.sorter, lane->index, &err)
		            : sorter_end(r->p.sorter, lane->index, &err);
	pthread_mutex_lock(&r->mutex);
	if (block != NULL) {
		end_block(lane, block, ret, &err);
		return true;
	}
	if (ret < 0)
		fail(r, ret, &err);
	if (!flush)
		return false;
	lane->flushed = r->flush;
	r->n_flushed++;
	pthread_cond_broadcast(&r->changed);
	return true;
}

static void *run_lane(void *arg)
{
	struct lane *lane = arg;

	pthread_mutex_lock(&lane->all->mutex);
	while (lane_turn(lane))
		;
	pthread_mutex_unlock(&lane->all->mutex);
	return NULL;
}

// ---- the reading thread ------------------------------------------------------------------------

/** All lanes write out what they have, and what was read so far is noted. Locked. */
static int checkpoint(struct bulk_reader *r, bool is_read)
{
	struct bulk_state *state = r->p.state;
	struct mr_err err = {""};
	int ret;

	while (r->n_done < r->n_cut && !r->failed)
		pthread_cond_wait(&r->changed, &r->mutex);
	r->flush++;
	r->n_flushed = 0;
	pthread_cond_broadcast(&r->changed);
	while (r->n_flushed < r->p.n_lanes && !r->failed)
		pthread_cond_wait(&r->changed, &r->mutex);
	if (r->failed)
		return r->error;
	state->is_read = is_read;
	state->bytes = reader_bytes(r->p.reader);
	state->line = reader_line(r->p.reader);
	state->n_rejects = r->p.rejects->n;
	ret = rejects_sync(r->p.rejects, &state->rejects_bytes, &err);
	if (ret == 0)
		ret = bulk_state_save(state, r->p.sorter, &err);
	if (ret < 0)
		fail(r, ret, &err);
	return ret;
}

/** Cuts the next block and hands it to the lanes. @return 1; 0: end of file; -errno. */
static int hand_out(struct bulk_reader *r)
{
	struct mr_err err = {""};
	struct block *block;
	int ret;

	pthread_mutex_lock(&r->mutex);
	while (r->n_free == 0 && !r->failed)
		pthread_cond_wait(&r->changed, &r->mutex);
	block = r->failed ? NULL : r->free[--r->n_free];
	r->shown_rows = r->p.state->n_good;
	pthread_mutex_unlock(&r->mutex);
	if (block == NULL)
		return r->error;
	ret = reader_cut(r->p.reader, &block->text, &err);
	pthread_mutex_lock(&r->mutex);
	if (ret < 0) {
		// What comes before it may be wrong, too, and is to be told then.
		while (r->n_done < r->n_cut && !r->failed)
			pthread_cond_wait(&r->changed, &r->mutex);
		fail(r, ret, &err);
	} else if (ret > 0) {
		block->number = r->n_cut++;
		r->ready[(r->first_ready + r->n_ready++) % BLOCKS_MAX] = block;
		pthread_cond_broadcast(&r->changed);
	}
	pthread_mutex_unlock(&r->mutex);
	return ret;
}

static int read_all(struct bulk_reader *r)
{
	const struct bulk_read_params *p = &r->p;
	uint64_t noted = reader_bytes(p->reader);
	int ret;

	while ((ret = hand_out(r)) == 1) {
		progress_show_now(p->progress, reader_bytes(p->reader), r->shown_rows);
		if (p->state->dir == NULL || reader_bytes(p->reader) - noted < p->checkpoint_bytes)
			continue;
		noted = reader_bytes(p->reader);
		pthread_mutex_lock(&r->mutex);
		ret = checkpoint(r, false);
		pthread_mutex_unlock(&r->mutex);
		if (ret < 0)
			break;
	}
	pthread_mutex_lock(&r->mutex);
	if (ret == 0 && p->state->dir != NULL)
		checkpoint(r, true);
	r->ended = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->mutex);
	return ret;
}

static int start_lane(struct bulk_reader *r, unsigned i)
{
	struct lane *lane = &r->lanes[i];

	lane->all = r;
	lane->index = i;
	lane->reader = reader_open_block(r->p.reader);
	if (lane->reader == NULL)
		return -ENOMEM;
	return -pthread_create(&lane->thread, NULL, run_lane, lane);
}

int bulk_read(const struct bulk_read_params *params, struct mr_err *err)
{
	struct bulk_reader *r = calloc(1, sizeof(*r));
	unsigned n_started = 0;
	struct mr_err no_thread = {"cannot start threads"};
	int ret = 0;

	if (r == NULL)
		return mr_fail(err, ENOMEM, "out of memory");
	r->p = *params;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->changed, NULL);
	r->n_blocks = 2 * params->n_lanes;
	for (unsigned i = 0; i < r->n_blocks; i++)
		r->free[r->n_free++] = &r->blocks[i];
	while (n_started < params->n_lanes && (ret = start_lane(r, n_started)) == 0)
		n_started++;
	if (ret == 0) {
		read_all(r);
	} else {
		pthread_mutex_lock(&r->mutex);
		fail(r, ret, &no_thread);
		pthread_mutex_unlock(&r->mutex);
	}
	for (unsigned i = 0; i < n_started; i++)
		pthread_join(r->lanes[i].thread, NULL);
	for (unsigned i = 0; i < params->n_lanes; i++) {
		reader_close(r->lanes[i].reader);
		free(r->lanes[i].bad);
	}
	for (unsigned i = 0; i < r->n_blocks; i++)
		free(r->blocks[i].text.text);
	ret = r->failed ? r->error : 0;
	if (ret < 0)
		*err = r->err;
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->mutex);
	free(r);
	return ret;
}
