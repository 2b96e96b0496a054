// SPDX-License-Identifier: BSD-3-Clause
#include "cachesim_models.h"

#include <string.h>

#define NOWHERE UINT32_MAX

static unsigned find(const struct row_of_keys *row, uint32_t key)
{
	for (unsigned i = 0; i < row->n; i++) {
		if (row->key[i] == key)
			return i;
	}
	return NOWHERE;
}

static bool has(const struct row_of_keys *row, uint32_t key)
{
	return find(row, key) != NOWHERE;
}

static uint32_t take(struct row_of_keys *row, unsigned at)
{
	uint32_t key = row->key[at];

	row->n--;
	memmove(&row->key[at], &row->key[at + 1], (row->n - at) * sizeof(key));
	return key;
}

static bool drop(struct row_of_keys *row, uint32_t key)
{
	unsigned at = find(row, key);

	if (at != NOWHERE)
		take(row, at);
	return at != NOWHERE;
}

static void append(struct row_of_keys *row, uint32_t key)
{
	row->key[row->n++] = key;
}

static bool lru(struct model *m, uint32_t key)
{
	bool hit = drop(&m->a, key);

	if (!hit && m->a.n == m->capacity)
		take(&m->a, 0);
	append(&m->a, key);
	return hit;
}

// a: cached, in any order; b: history. Times are from 1; 0: never.
static bool lru2_worse(const struct model *m, uint32_t x, uint32_t y)
{
	bool x_free = m->now + 1 - m->last[x] > m->crp, y_free = m->now + 1 - m->last[y] > m->crp;

	if (x_free != y_free)
		return x_free;
	if (!x_free)
		return m->last[x] < m->last[y];
	if ((m->t2[x] == 0) != (m->t2[y] == 0))
		return m->t2[x] == 0;
	return m->t2[x] == 0 ? m->last[x] < m->last[y] : m->t2[x] < m->t2[y];
}

static void lru2_evict(struct model *m)
{
	unsigned worst = 0, oldest = 0;

	for (unsigned i = 1; i < m->a.n; i++) {
		if (lru2_worse(m, m->a.key[i], m->a.key[worst]))
			worst = i;
	}
	append(&m->b, take(&m->a, worst));
	if (m->b.n <= m->n_history)
		return;
	for (unsigned i = 1; i < m->b.n; i++) {
		if (m->t1[m->b.key[i]] < m->t1[m->b.key[oldest]])
			oldest = i;
	}
	take(&m->b, oldest);
}

static bool lru2(struct model *m, uint32_t key)
{
	uint32_t now = m->now + 1;
	bool hit = has(&m->a, key);

	if (hit && now - m->last[key] > m->crp) {
		m->t2[key] = m->last[key];
		m->t1[key] = now;
	}
	if (!hit) {
		m->t2[key] = drop(&m->b, key) ? m->t1[key] : 0;
		if (m->a.n == m->capacity)
			lru2_evict(m);
		m->t1[key] = now;
		append(&m->a, key);
	}
	m->last[key] = now;
	return hit;
}

// a: A1in, b: A1out, c: Am.
static bool two_q(struct model *m, uint32_t key)
{
	unsigned in_max = MR_MAX(m->capacity / 4, 1u), out_max = MR_MAX(m->capacity / 2, 1u);
	bool known;

	if (has(&m->a, key))
		return true;
	if (drop(&m->c, key)) {
		append(&m->c, key);
		return true;
	}
	known = drop(&m->b, key);
	if (m->a.n + m->c.n == m->capacity) {
		if (m->a.n > in_max || m->c.n == 0) {
			append(&m->b, take(&m->a, 0));
			if (m->b.n > out_max)
				take(&m->b, 0);
		} else {
			take(&m->c, 0);
		}
	}
	append(known ? &m->c : &m->a, key);
	return false;
}

static void arc_replace(struct model *m, bool in_b2)
{
	if (m->a.n > 0 && (m->a.n > m->target || (in_b2 && m->a.n == m->target)))
		append(&m->b, take(&m->a, 0));
	else if (m->c.n > 0)
		append(&m->d, take(&m->c, 0));
	else
		append(&m->b, take(&m->a, 0));
}

static void arc_new(struct model *m)
{
	if (m->a.n + m->b.n == m->capacity) {
		if (m->b.n == 0) {
			take(&m->a, 0);
			return;
		}
		take(&m->b, 0);
		arc_replace(m, false);
	} else if (m->a.n + m->b.n + m->c.n + m->d.n >= m->capacity) {
		if (m->a.n + m->b.n + m->c.n + m->d.n == 2 * m->capacity)
			take(&m->d, 0);
		arc_replace(m, false);
	}
}

// a: T1, b: B1, c: T2, d: B2.
static bool arc(struct model *m, uint32_t key)
{
	bool hit = drop(&m->a, key) || drop(&m->c, key);
	unsigned b1 = m->b.n, b2 = m->d.n;

	if (!hit && has(&m->b, key)) {
		m->target = MR_MIN(m->target + MR_MAX(b2 / b1, 1u), m->capacity);
		arc_replace(m, false);
		drop(&m->b, key);
	} else if (!hit && has(&m->d, key)) {
		m->target -= MR_MIN(m->target, MR_MAX(b1 / b2, 1u));
		arc_replace(m, true);
		drop(&m->d, key);
	} else if (!hit) {
		arc_new(m);
		append(&m->a, key);
		return false;
	}
	append(&m->c, key);
	return hit;
}

static bool s3_evict_small(struct model *m, unsigned ghost_max)
{
	while (m->a.n > 0) {
		uint32_t key = take(&m->a, 0);

		if (m->count[key] <= 1) {
			if (m->c.n == ghost_max)
				take(&m->c, 0);
			append(&m->c, key);
			return true;
		}
		m->count[key] = 0;
		append(&m->b, key);
	}
	return false;
}

static bool s3_evict_main(struct model *m)
{
	while (m->b.n > 0) {
		uint32_t key = take(&m->b, 0);

		if (m->count[key] == 0)
			return true;
		m->count[key]--;
		append(&m->b, key);
	}
	return false;
}

// a: small, b: main, c: ghost.
static bool s3fifo(struct model *m, uint32_t key)
{
	unsigned small_max = MR_MAX(m->capacity / 10, 1u);
	unsigned ghost_max = MR_MAX(m->capacity - small_max, 1u);
	bool known, done = false;

	if (has(&m->a, key) || has(&m->b, key)) {
		m->count[key] = MR_MIN(m->count[key] + 1, 3u);
		return true;
	}
	known = drop(&m->c, key);
	while (!done && m->a.n + m->b.n == m->capacity)
		done = m->a.n >= small_max ? s3_evict_small(m, ghost_max) || s3_evict_main(m)
		                           : s3_evict_main(m) || s3_evict_small(m, ghost_max);
	m->count[key] = 0;
	append(known ? &m->b : &m->a, key);
	return false;
}

// a: the queue; hand: the place from which the next search goes on.
static bool sieve(struct model *m, uint32_t key)
{
	if (has(&m->a, key)) {
		m->count[key] = 1;
		return true;
	}
	if (m->a.n == m->capacity) {
		if (m->hand >= m->a.n)
			m->hand = 0;
		while (m->count[m->a.key[m->hand]] != 0) {
			m->count[m->a.key[m->hand]] = 0;
			m->hand = (m->hand + 1) % m->a.n;
		}
		take(&m->a, m->hand);
		// What comes in now is not what the hand was to see next.
		if (m->hand == m->a.n)
			m->hand = 0;
	}
	m->count[key] = 0;
	append(&m->a, key);
	return false;
}

static void tinylfu_count(struct model *m, uint32_t key)
{
	if (m->count[key] == 15)
		return;
	m->count[key]++;
	if (++m->added < 10 * m->capacity)
		return;
	for (unsigned i = 0; i < MODEL_KEYS; i++)
		m->count[i] /= 2;
	m->added /= 2;
}

// a: window, b: probation, c: protected.
static bool wtinylfu(struct model *m, uint32_t key)
{
	unsigned window_max = MR_MAX(m->capacity / 100, 1u), main_max = m->capacity - window_max;
	uint32_t candidate;

	tinylfu_count(m, key);
	if (drop(&m->a, key)) {
		append(&m->a, key);
		return true;
	}
	if (drop(&m->b, key) || drop(&m->c, key)) {
		append(&m->c, key);
		if (m->c.n > main_max * 4 / 5)
			append(&m->b, take(&m->c, 0));
		return true;
	}
	append(&m->a, key);
	if (m->a.n <= window_max)
		return false;
	candidate = take(&m->a, 0);
	if (m->b.n + m->c.n >= main_max) {
		struct row_of_keys *from = m->b.n > 0 ? &m->b : &m->c;

		if (from->n == 0 || m->count[candidate] <= m->count[from->key[0]])
			return false;
		take(from, 0);
	}
	append(&m->b, candidate);
	return false;
}

// a: cached; last: when it comes again.
static bool belady(struct model *m, uint32_t key)
{
	bool hit = has(&m->a, key);
	unsigned farthest = 0;

	if (!hit && m->a.n == m->capacity) {
		for (unsigned i = 1; i < m->a.n; i++) {
			if (m->last[m->a.key[i]] > m->last[m->a.key[farthest]])
				farthest = i;
		}
		take(&m->a, farthest);
	}
	if (!hit)
		append(&m->a, key);
	m->last[key] = m->next[m->now];
	return hit;
}

const struct model_policy model_policies[] = {{"lru", lru}, {"lru2", lru2}, {"2q", two_q},
	{"arc", arc}, {"s3fifo", s3fifo}, {"sieve", sieve}, {"wtinylfu", wtinylfu},
	{"belady", belady}};
const unsigned model_n_policies = MR_ARRAY_SIZE(model_policies);
