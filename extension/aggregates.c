/*
 * aggregates.c - see aggregates.h for the rules.
 *
 * Mean and variance of log time come from sums in fixed point, so that adding is atomic. Within a
 * transaction a process keeps what it knows of its plans to itself and adds several executions at a
 * time. Logarithms are to the base 2 of milliseconds: with FIXED_POINT there is
 * room for 10^12 executions of an hour each.
 */
#include "postgres.h"

#include <math.h>

#include "access/xact.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "port/pg_bitutils.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "extension/aggregates.h"
#include "extension/compat.h"
#include "extension/fingerprint.h"
#include "extension/settings.h"
#include "extension/shared.h"

PG_FUNCTION_INFO_V1(predictor_aggregates);
PG_FUNCTION_INFO_V1(predictor_forget_aggregates);

#define FIXED_POINT 16384.0

/* The numbers of one plan: one cache line. */
typedef struct Aggregate
{
	uint64		query_id;
	uint64		database;		/* an Oid; 0: not used */
	pg_atomic_uint64 calls;
	pg_atomic_uint64 nanoseconds;
	pg_atomic_uint64 unmeasured;	/* calls that are not in the sums below */
	pg_atomic_uint64 log_sum;	/* of log2(ms) in FIXED_POINT, an int64 */
	pg_atomic_uint64 log_square_sum;	/* of its square, in FIXED_POINT */
	pg_atomic_uint64 last_use;	/* TimestampTz of the start of the client's statement */
} Aggregate;

/* The keys stand together: finding one reads a single cache line. */
typedef struct AggregateSet
{
	uint64		keys[AGGREGATE_WAYS];
	Aggregate	entries[AGGREGATE_WAYS];
} AggregateSet;

typedef struct Aggregates
{
	LWLockPadded *locks;
	uint64		set_count;
	AggregateSet *sets;			/* in the same block, aligned to a cache line */
} Aggregates;

/* What this process keeps of a plan. */
typedef struct Local
{
	PlanKey		key;
	PlanHistory history;		/* as it was when it was looked up */
	bool		looked;			/* history is there, and not too old */
	uint64		calls;			/* the rest: of executions that are not yet in the entry */
	uint64		nanoseconds;
	uint64		unmeasured;
	int64		log_sum;
	int64		log_square_sum;
} Local;

#define LOCALS 64
/* Executions that one process may keep to itself: so many, and no more than a share of all. */
#define MOST_KEPT 64
#define KEPT_SHARE 8

static Local locals[LOCALS];
static uint64 unsettled = 0;	/* a bit for each of them that keeps executions */

static Aggregates *aggregates = NULL;

static uint64
set_count(void)
{
	return (predictor_max_plans + AGGREGATE_WAYS - 1) / AGGREGATE_WAYS;
}

Size
aggregates_shmem_size(void)
{
	return sizeof(Aggregates) + PG_CACHE_LINE_SIZE + set_count() * sizeof(AggregateSet);
}

void
aggregates_shmem_init(LWLockPadded *locks)
{
	bool		found;

	aggregates = ShmemInitStruct("predictor aggregates", aggregates_shmem_size(), &found);
	if (found)
		return;
	/* all zero is an empty hash: atomics have no other initial state than their value */
	memset(aggregates, 0, aggregates_shmem_size());
	aggregates->locks = locks;
	aggregates->set_count = set_count();
	aggregates->sets = (AggregateSet *) TYPEALIGN(PG_CACHE_LINE_SIZE, aggregates + 1);
}

PlanKey
aggregates_key(uint64 query_id, uint64 fingerprint)
{
	PlanKey		key;

	key.query_id = query_id;
	key.key = mix_bits(mix_bits(mix_bits(0, query_id), fingerprint), MyDatabaseId);
	if (key.key == 0)
		key.key = 1;
	return key;
}

double
aggregates_log(uint64 nanoseconds)
{
	return log2(Max(nanoseconds, 1) / 1e6);
}

static uint64
place_of(uint64 key)
{
	/* scales the upper half instead of dividing */
	return ((key >> 32) * aggregates->set_count) >> 32;
}

static LWLock *
lock_of(uint64 place)
{
	return &aggregates->locks[place % AGGREGATE_PARTITIONS].lock;
}

static Aggregate *
find(uint64 place, uint64 key)
{
	volatile AggregateSet *set = &aggregates->sets[place];

	for (int i = 0; i < AGGREGATE_WAYS; i++)
		if (set->keys[i] == key)
			return (Aggregate *) &set->entries[i];
	return NULL;
}

static void
summarize(Aggregate *entry, PlanHistory *history)
{
	double		mean;
	double		square;

	uint64		unmeasured = pg_atomic_read_u64(&entry->unmeasured);

	history->calls = pg_atomic_read_u64(&entry->calls);
	history->measured = history->calls - Min(unmeasured, history->calls);
	if (history->measured == 0)
		return;
	mean = (int64) pg_atomic_read_u64(&entry->log_sum) / FIXED_POINT / history->measured;
	square = (int64) pg_atomic_read_u64(&entry->log_square_sum) / FIXED_POINT / history->measured;
	history->mean = mean;
	history->variance = Max(square - mean * mean, 0);
}

static void
look_up(const PlanKey *key, PlanHistory *history)
{
	uint64		place = place_of(key->key);
	Aggregate  *entry = find(place, key->key);

	memset(history, 0, sizeof(*history));
	if (entry == NULL)
		return;
	summarize(entry, history);
	pg_read_barrier();
	/* another plan may have taken the place meanwhile */
	if (find(place, key->key) != entry)
		memset(history, 0, sizeof(*history));
}

/* The entry for a new plan, in the place of the one used longest ago. Needs the exclusive lock. */
static Aggregate *
enter(uint64 place, const PlanKey *key)
{
	AggregateSet *set = &aggregates->sets[place];
	int			oldest = 0;

	for (int i = 1; i < AGGREGATE_WAYS && set->keys[oldest] != 0; i++)
		if (set->keys[i] == 0 ||
			pg_atomic_read_u64(&set->entries[i].last_use) <
			pg_atomic_read_u64(&set->entries[oldest].last_use))
			oldest = i;
	if (set->keys[oldest] != 0)
		shared_count(COUNTER_PLANS_EVICTED);
	memset(&set->entries[oldest], 0, sizeof(Aggregate));
	set->keys[oldest] = key->key;
	set->entries[oldest].query_id = key->query_id;
	set->entries[oldest].database = MyDatabaseId;
	return &set->entries[oldest];
}

static void
add(Aggregate *entry, const Local *local)
{
	pg_atomic_fetch_add_u64(&entry->calls, local->calls);
	pg_atomic_fetch_add_u64(&entry->nanoseconds, local->nanoseconds);
	if (local->unmeasured > 0)
		pg_atomic_fetch_add_u64(&entry->unmeasured, local->unmeasured);
	pg_atomic_fetch_add_u64(&entry->log_sum, local->log_sum);
	pg_atomic_fetch_add_u64(&entry->log_square_sum, local->log_square_sum);
	pg_atomic_write_u64(&entry->last_use, (uint64) GetCurrentStatementStartTimestamp());
}

/* Adds what the process has kept of a plan to its entry; false if the locks are taken. */
static bool
add_to_entry(const Local *local)
{
	uint64		place = place_of(local->key.key);
	LWLock	   *lock = lock_of(place);
	Aggregate  *entry = NULL;

	if (LWLockConditionalAcquire(lock, LW_SHARED))
	{
		entry = find(place, local->key.key);
		if (entry != NULL)
			add(entry, local);
		LWLockRelease(lock);
		if (entry != NULL)
			return true;
	}
	if (!LWLockConditionalAcquire(lock, LW_EXCLUSIVE))
		return false;
	entry = find(place, local->key.key);
	if (entry == NULL)
		entry = enter(place, &local->key);
	add(entry, local);
	LWLockRelease(lock);
	return true;
}

/* ---- the process's own part ---- */

static void
settle(Local *local)
{
	if (local->calls > 0 && !add_to_entry(local))
		shared_count_many(COUNTER_AGGREGATES_BUSY, local->calls);
	local->calls = local->nanoseconds = local->unmeasured = 0;
	local->log_sum = local->log_square_sum = 0;
	local->looked = false;
	unsettled &= ~(UINT64CONST(1) << (local - locals));
}

void
aggregates_settle(void)
{
	while (unsettled != 0)
		settle(&locals[pg_rightmost_one_pos64(unsettled)]);
}

static Local *
local_of(const PlanKey *key)
{
	Local	   *local = &locals[key->key % LOCALS];

	if (local->key.key != key->key)
	{
		settle(local);
		local->key = *key;
	}
	return local;
}

void
aggregates_look(const PlanKey *key, PlanHistory *history)
{
	Local	   *local = local_of(key);

	if (!local->looked)
		look_up(key, &local->history);
	local->looked = true;
	*history = local->history;
	history->calls += local->calls;
}

void
aggregates_add(const PlanKey *key, uint64 nanoseconds, double log_time)
{
	Local	   *local = local_of(key);

	local->calls++;
	local->nanoseconds += nanoseconds;
	if (isnan(log_time))
		local->unmeasured++;
	else
	{
		local->log_sum += llrint(log_time * FIXED_POINT);
		local->log_square_sum += llrint(log_time * log_time * FIXED_POINT);
	}
	unsettled |= UINT64CONST(1) << (local - locals);
	if (local->calls >= Min(MOST_KEPT, local->history.calls / KEPT_SHARE))
		settle(local);
}

/* Forgets the plans of a database. Waits for locks. */
static void
reset(Oid database)
{
	for (uint64 place = 0; place < aggregates->set_count; place++)
	{
		LWLockAcquire(lock_of(place), LW_EXCLUSIVE);
		for (int i = 0; i < AGGREGATE_WAYS; i++)
			if (aggregates->sets[place].entries[i].database == database)
			{
				aggregates->sets[place].keys[i] = 0;
				memset(&aggregates->sets[place].entries[i], 0, sizeof(Aggregate));
			}
		LWLockRelease(lock_of(place));
	}
}

Datum
predictor_forget_aggregates(PG_FUNCTION_ARGS)
{
	shared_require();
	aggregates_settle();
	reset(MyDatabaseId);
	pg_atomic_fetch_add_u32(&shared->history_resets, 1);
	PG_RETURN_VOID();
}

/* One row of aggregates(); false if the place is empty. */
static bool
read_row(uint64 place, int way, Datum *values, bool *nulls)
{
	AggregateSet *set = &aggregates->sets[place];
	Aggregate  *entry = &set->entries[way];
	PlanHistory history = {0};

	if (set->keys[way] == 0)
		return false;
	summarize(entry, &history);
	values[0] = ObjectIdGetDatum((Oid) entry->database);
	values[1] = Int64GetDatum((int64) entry->query_id);
	values[2] = Int64GetDatum((int64) set->keys[way]);
	values[3] = Int64GetDatum((int64) history.calls);
	values[4] = Float8GetDatum(pg_atomic_read_u64(&entry->nanoseconds) / 1e6);
	values[5] = Float8GetDatum(history.mean * M_LN2);
	values[6] = Float8GetDatum(sqrt(history.variance) * M_LN2);
	nulls[5] = nulls[6] = history.measured == 0;
	values[7] = TimestampTzGetDatum((TimestampTz) pg_atomic_read_u64(&entry->last_use));
	return true;
}

Datum
predictor_aggregates(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	shared_require();
	aggregates_settle();
	begin_set_result(fcinfo);
	for (uint64 place = 0; place < aggregates->set_count; place++)
	{
		Datum		values[AGGREGATE_WAYS][8];
		bool		nulls[AGGREGATE_WAYS][8] = {{false}};
		bool		used[AGGREGATE_WAYS];

		CHECK_FOR_INTERRUPTS();
		/* tuples are made without the lock: that allocates, and may raise */
		LWLockAcquire(lock_of(place), LW_SHARED);
		for (int i = 0; i < AGGREGATE_WAYS; i++)
			used[i] = read_row(place, i, values[i], nulls[i]);
		LWLockRelease(lock_of(place));
		for (int i = 0; i < AGGREGATE_WAYS; i++)
			if (used[i])
				tuplestore_putvalues(result->setResult, result->setDesc, values[i], nulls[i]);
	}
	return (Datum) 0;
}
