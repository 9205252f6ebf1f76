/*
 * opengauss_shapes.c - see opengauss_shapes.h. The memory of what was sent has one place for each
 * remainder of a key; it is emptied when history is (predictor.reset_history()).
 */
#include "postgres.h"

#include "extension/compat.h"
#include "extension/fingerprint.h"
#include "extension/opengauss_shapes.h"
#include "extension/shared.h"

#define SENT_PLANS 256
#define SENT_FOR_NS UINT64CONST(600000000000)

typedef struct SentShapes
{
	uint64		key;			/* 0: not used */
	uint64		at;				/* coarse_nanoseconds() */
} SentShapes;

static SentShapes sent[SENT_PLANS];
static uint32 sent_since = 0;	/* which time history was emptied */

/* The key of the database changes with its extension, and so with the table of texts. */
static uint64
key_of(const PredictorStatement *statement)
{
	uint64		key = mix_bits(mix_bits(statement->signature, statement->query_id), statement->key_id);

	return key == 0 ? 1 : key;
}

static SentShapes *
place_of(uint64 key)
{
	uint32		resets = pg_atomic_read_u32(&shared->history_resets);

	if (sent_since != resets)
	{
		memset(sent, 0, sizeof(sent));
		sent_since = resets;
	}
	return &sent[key % SENT_PLANS];
}

bool
opengauss_shapes_are_wanted(const PredictorStatement *statement)
{
	uint64		key = key_of(statement);
	const SentShapes *place = place_of(key);

	/* without a query id statements share a signature that differ in their target lists */
	return statement->query_id != 0 &&
		(place->key != key || coarse_nanoseconds() - place->at > SENT_FOR_NS);
}

void
opengauss_shapes_are_done(const PredictorStatement *statement)
{
	uint64		key = key_of(statement);

	*place_of(key) = (SentShapes) {key, coarse_nanoseconds()};
}

void
opengauss_shapes_append(StringInfo shapes, const StringInfoData *text, int others)
{
	if (shapes->len + text->len + 1 + others <= OPENGAUSS_SHAPES_SIZE)
		appendBinaryStringInfo(shapes, text->data, text->len);
	appendStringInfoChar(shapes, '\0');
}

const char *
opengauss_shapes_next(const char **at, const char *end)
{
	const char *text = *at;
	const char *nul = text < end ? memchr(text, '\0', end - text) : NULL;

	if (nul == NULL)
	{
		*at = end;
		return NULL;
	}
	*at = nul + 1;
	return nul > text ? text : NULL;
}
