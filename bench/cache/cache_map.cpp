// SPDX-License-Identifier: BSD-3-Clause
#include "cache_map.h"

#include <array>
#include <cstring>
#include <new>
#include <string>
#include <unordered_map>

#define NODE_BYTES 64u  // next, key, hash, and rounding
#define TABLE_BYTES 24u // pointers to chains, for a prime number of them
#define SPARE_BYTES (1u << 20)

/** Memory handed out from the front, never taken back. */
struct span {
	uint8_t *at, *end;
};

template <typename T> struct from_span {
	using value_type = T;
	span *s;

	explicit from_span(span *from) : s(from)
	{
	}
	template <typename U> from_span(const from_span<U> &other) : s(other.s)
	{
	}
	T *allocate(size_t n)
	{
		size_t bytes = (n * sizeof(T) + 15) / 16 * 16;

		if (bytes > (size_t)(s->end - s->at))
			throw std::bad_alloc();
		s->at += bytes;
		return reinterpret_cast<T *>(s->at - bytes);
	}
	void deallocate(T *, size_t)
	{
	}
	bool operator==(const from_span &other) const
	{
		return s == other.s;
	}
	bool operator!=(const from_span &other) const
	{
		return s != other.s;
	}
};

struct cache_map {
	virtual ~cache_map() = default;
	virtual void put(uint64_t space, uint64_t id, const void *row) = 0;
	virtual uint64_t look_up(
		uint64_t space, const uint64_t *ids, unsigned n, void *to) const = 0;
};

namespace {

uint64_t key_of(uint64_t id, uint64_t *)
{
	return id;
}

// Eight bytes lie in the string itself.
std::string key_of(uint64_t id, std::string *)
{
	return std::string(reinterpret_cast<const char *>(&id), sizeof(id));
}

template <typename K, unsigned N> class maps final : public cache_map {
	using row_t = std::array<uint8_t, N>;
	using rows_t = std::unordered_map<K, row_t, std::hash<K>, std::equal_to<K>,
		from_span<std::pair<const K, row_t>>>;

	span s;
	uint64_t n_rows;
	std::unordered_map<uint64_t, rows_t> sets;

      public:
	maps(void *mem, size_t bytes, uint64_t rows)
	    : s{static_cast<uint8_t *>(mem), static_cast<uint8_t *>(mem) + bytes}, n_rows(rows)
	{
	}
	void put(uint64_t space, uint64_t id, const void *row) override
	{
		auto set = sets.find(space);

		if (set == sets.end()) {
			typename rows_t::allocator_type from(&s);

			set = sets.emplace(space, rows_t(from)).first;
			set->second.reserve(n_rows);
		}
		std::memcpy(set->second[key_of(id, static_cast<K *>(nullptr))].data(), row, N);
	}
	uint64_t look_up(uint64_t space, const uint64_t *ids, unsigned n, void *to) const override
	{
		uint64_t found = 0;

		for (unsigned i = 0; i < n; i++) {
			auto set = sets.find(space);

			if (set == sets.end())
				continue;
			auto row = set->second.find(key_of(ids[i], static_cast<K *>(nullptr)));

			if (row == set->second.end())
				continue;
			std::memcpy(to, row->second.data(), N);
			__asm__ __volatile__("" : : "r"(to) : "memory");
			found++;
		}
		return found;
	}
};

template <typename K>
struct cache_map *open_map(void *mem, size_t mem_bytes, uint64_t n_rows, unsigned row_bytes)
{
	if (row_bytes == 64)
		return new (std::nothrow) maps<K, 64>(mem, mem_bytes, n_rows);
	return new (std::nothrow) maps<K, 256>(mem, mem_bytes, n_rows);
}

} // namespace

size_t cache_map_memsize(uint64_t n_rows, unsigned row_bytes)
{
	if (row_bytes != 64 && row_bytes != 256)
		return 0;
	return n_rows * (row_bytes + NODE_BYTES + TABLE_BYTES) + SPARE_BYTES;
}

struct cache_map *cache_map_open(
	void *mem, size_t mem_bytes, uint64_t n_rows, unsigned row_bytes, enum cache_map_keys keys)
{
	if (keys == CACHE_MAP_INTEGERS)
		return open_map<uint64_t>(mem, mem_bytes, n_rows, row_bytes);
	return open_map<std::string>(mem, mem_bytes, n_rows, row_bytes);
}

void cache_map_close(struct cache_map *map)
{
	delete map;
}

void cache_map_put(struct cache_map *map, uint64_t space, uint64_t id, const void *row)
{
	map->put(space, id, row);
}

uint64_t cache_map_look_up(
	const struct cache_map *map, uint64_t space, const uint64_t *ids, unsigned n, void *to)
{
	return map->look_up(space, ids, n, to);
}
