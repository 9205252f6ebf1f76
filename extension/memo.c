/*
 * memo.c - see memo.h.
 */
#include "postgres.h"

#include "extension/fingerprint.h"
#include "extension/memo.h"
#include "extension/plan_identity.h"
#include "extension/settings.h"

#define ASK_AGAIN 64
#define SETS 32					/* a power of two */
#define WAYS 4					/* places in each: the one used longest ago makes room */

typedef struct Place
{
	uint64		key;			/* 0: not used */
	uint32		uses;
	uint32		last_use;
	WholeAnswer answer;
} Place;

static Place places[SETS][WAYS];
static uint32 clock_of_uses = 0;
static uint64 epoch = 0;		/* part of every key: what is forgotten is not found any more */

void
memo_forget(void)
{
	epoch++;
}

/* The database's secret key begins it: nobody can make two plans of one identity. */
uint64
memo_key(const ServedModel *model, const QueryDesc *queryDesc)
{
	uint64		seed = mix_bits(model->key.k0, epoch);

	seed = mix_bits(seed, model->key.k1);
	seed = mix_bits(seed, model->generation);
	return plan_identity(queryDesc, mix_number(seed, predictor_live_calibration ? model->calibration : 0));
}

bool
memo_find(uint64 key, WholeAnswer *answer)
{
	Place	   *set = places[key & (SETS - 1)];

	for (int i = 0; i < WAYS && key != 0; i++)
	{
		if (set[i].key != key)
			continue;
		set[i].last_use = ++clock_of_uses;
		if (++set[i].uses % ASK_AGAIN == 0)
			return false;
		*answer = set[i].answer;
		return true;
	}
	return false;
}

void
memo_put(uint64 key, const WholeAnswer *answer)
{
	Place	   *set = places[key & (SETS - 1)];
	Place	   *place = &set[0];

	if (key == 0)
		return;
	for (int i = 0; i < WAYS && place->key != key; i++)
		if (set[i].key == key || set[i].last_use < place->last_use)
			place = &set[i];
	place->key = key;
	place->uses = 0;
	place->last_use = ++clock_of_uses;
	place->answer = *answer;
}
