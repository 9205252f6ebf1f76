/*
 * memo.c - see memo.h.
 */
#include "postgres.h"

#include "extension/fingerprint.h"
#include "extension/memo.h"
#include "extension/plan_identity.h"
#include "extension/settings.h"

#define ASK_AGAIN 64
#define PLACES 128				/* a power of two */

typedef struct Place
{
	uint64		key;			/* 0: not used */
	uint32		uses;
	WholeAnswer answer;
} Place;

static Place places[PLACES];
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
	uint64		calibration = 0;

	if (predictor_live_calibration)
		memcpy(&calibration, &model->calibration, sizeof(calibration));
	seed = mix_bits(seed, model->key.k1);
	seed = mix_bits(seed, model->generation);
	return plan_identity(queryDesc, mix_bits(seed, calibration));
}

bool
memo_find(uint64 key, WholeAnswer *answer)
{
	Place	   *place = &places[key & (PLACES - 1)];

	if (key == 0 || place->key != key || ++place->uses % ASK_AGAIN == 0)
		return false;
	*answer = place->answer;
	return true;
}

void
memo_put(uint64 key, const WholeAnswer *answer)
{
	Place	   *place = &places[key & (PLACES - 1)];

	if (key == 0)
		return;
	place->key = key;
	place->uses = 0;
	place->answer = *answer;
}
