/*
 * kinds.c - see kinds.h. A table with one place for each remainder of a plan's key: a plan that comes
 * to a place of another one's takes it.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "extension/allocate.h"
#include "extension/kinds.h"

#define KINDS 256
#define KIND_NODES 64
#define KINDS_SIZE ((Size) 512 * 1024)

/* One part in so many of the statements' time may go into describing. */
#define EARNED_SHARE 128
#define FIRST_ALLOWANCE_NS 200000
#define MOST_SAVED_NS 10000000

typedef struct Kind
{
	uint64		key;			/* 0: not used */
	int			count;
	PredictorNode *nodes;		/* NULL: too large, or no memory for it */
} Kind;

static Kind kinds[KINDS];
static Size kept = 0;			/* bytes in all of them */
static int64 saved_ns = FIRST_ALLOWANCE_NS;

static Kind *
place_of(const PlanKey *key)
{
	return &kinds[key->key % KINDS];
}

bool
kinds_are_missing(const PlanKey *key)
{
	/* without a query id statements share a key that differ in their predicates */
	return place_of(key)->key != key->key && saved_ns > 0 && key->query_id != 0;
}

void
kinds_spend(uint64 nanoseconds)
{
	saved_ns -= nanoseconds;
}

void
kinds_earn(uint64 nanoseconds)
{
	saved_ns = Min(saved_ns + (int64) (nanoseconds / EARNED_SHARE), MOST_SAVED_NS);
}

static void
forget(Kind *kind)
{
	if (kind->nodes != NULL)
	{
		kept -= sizeof(PredictorNode) * kind->count;
		pfree(kind->nodes);
	}
	memset(kind, 0, sizeof(*kind));
}

void
kinds_remember(const PlanKey *key, const Extract *extract)
{
	Kind	   *kind = place_of(key);
	int			count = extract->record.node_count;
	Size		size = sizeof(PredictorNode) * count;

	if (kind->key == key->key || key->query_id == 0)
		return;
	forget(kind);
	kind->key = key->key;
	if (count > KIND_NODES || kept + size > KINDS_SIZE)
		return;
	kind->nodes = allocate_or_null(TopMemoryContext, size);
	if (kind->nodes == NULL)
		return;
	memcpy(kind->nodes, extract->record.nodes, size);
	kind->count = count;
	kept += size;
}

Extract *
kinds_recall(const PlanKey *key, QueryDesc *queryDesc)
{
	Kind	   *kind = place_of(key);

	if (kind->key != key->key || kind->nodes == NULL)
		return NULL;
	return extract_recalled(queryDesc, kind->nodes, kind->count, queryDesc->estate->es_query_cxt);
}
