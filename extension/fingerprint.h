/*
 * fingerprint.h - which plan this is, in nanoseconds.
 *
 * The signature of plan/signature.h is the plan's identity for ever and everywhere, and takes
 * microseconds, names and a started plan. The fingerprint is the plan's identity in the shared hash
 * of this server: node types, join types, relations and indexes by their OIDs, no constants. It
 * reads the plan and nothing else, allocates nothing and cannot raise.
 */
#ifndef PREDICTOR_FINGERPRINT_H
#define PREDICTOR_FINGERPRINT_H

#include "postgres.h"

#include "nodes/plannodes.h"

/* Plans that differ only beyond so many nodes share a fingerprint. */
#define FINGERPRINT_NODES 64

typedef struct Fingerprint
{
	uint64		hash;			/* never 0 */
	int			nodes;			/* at most FINGERPRINT_NODES */
	double		calls;			/* of nodes, one for each row, as far as the planner can tell */
} Fingerprint;

/* One step of a hash: half of the finalizer of MurmurHash3 (Appleby). */
static inline uint64
mix_bits(uint64 hash, uint64 value)
{
	hash = (hash ^ value) * UINT64CONST(0xff51afd7ed558ccd);
	return hash ^ (hash >> 32);
}

static inline uint64
mix_number(uint64 hash, double number)
{
	uint64		bits;

	memcpy(&bits, &number, sizeof(bits));
	return mix_bits(hash, bits);
}

extern Fingerprint fingerprint_plan(const PlannedStmt *statement);

#endif
