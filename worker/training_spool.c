/*
 * training_spool.c - writes a database's history into a temporary file, as the engine wants it.
 *
 * A file, because the records come in short transactions and leave in one upload whose length and
 * checksum are told first; nothing but a buffer is in memory.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "extension/facade.h"
#include "extension/settings.h"
#include "worker/history.h"
#include "worker/training.h"
#include "worker/worker.h"

#define RECORDS_PER_TRANSACTION 500
#define BUFFER_SIZE (256 * 1024)

/*
 * Held out are the newest HOLD_OUT_SHARE of the statements, if there are enough, and one query in
 * WITHHELD_ONE_IN, if there are enough queries. Which ones depends on the model alone. Both are kept
 * in memory, within bounds.
 */
#define HOLD_OUT_LEAST_HISTORY 200
#define HOLD_OUT_SHARE 0.1
#define HOLD_OUT_MOST 2000
#define HOLD_OUT_BYTES ((Size) 16 * 1024 * 1024)
#define WITHHELD_LEAST_QUERIES 40
#define WITHHELD_ONE_IN 20

/* One plan may be this part of a training, so that none crowds out the others; cancelled ones aside. */
#define SIGNATURE_SHARE 0.05
#define SIGNATURE_LEAST 100
#define SIGNATURES_MOST 100000

/* Records that are read at most, for each one that may be sent. */
#define READ_FACTOR 10

typedef struct SignatureCount
{
	uint64		signature;		/* the key */
	int64		records;
} SignatureCount;

typedef struct Spool
{
	Training   *training;
	EngineDigest *digest;		/* NULL: only what is held out is read */
	char	   *buffer;
	size_t		capacity;
	size_t		used;
	int64		limit;			/* records */
	int64		newest_left;	/* still to go into the newest slice */
	int64		before;			/* id of the record being visited */
	HTAB	   *signatures;
	bool		is_full;
} Spool;

/* ---- what is held out ---- */

static void
hold_out(HoldOut *hold_out, const PredictorRecord *record, MemoryContext context)
{
	Size		size = predictor_encoded_size(record->node_count);

	if (hold_out->records >= HOLD_OUT_MOST || hold_out->size + size > HOLD_OUT_BYTES)
		return;
	if (hold_out->size + size > hold_out->allocated)
	{
		Size		allocated = Max(hold_out->allocated * 2, Max(size, BUFFER_SIZE));

		hold_out->bytes = hold_out->bytes == NULL ? MemoryContextAllocHuge(context, allocated) :
			repalloc_huge(hold_out->bytes, allocated);
		hold_out->allocated = allocated;
	}
	size = predictor_encode(record, hold_out->bytes + hold_out->size, hold_out->allocated - hold_out->size);
	if (size == 0)
		return;
	hold_out->size += size;
	hold_out->records++;
}

static bool
is_withheld(const Training *training, const PredictorRecord *record)
{
	const PredictorStatement *s = &record->statement;
	uint64		query = s->query_id != 0 ? s->query_id : s->signature;
	uint32		model = DatumGetUInt32(hash_any(training->job.model_id.data, UUID_LEN));

	return training->withholds && hash_combine64(query, model) % WITHHELD_ONE_IN == 0;
}

/* True if the record is not to be trained on. */
static bool
take_aside(Spool *spool, const PredictorRecord *record)
{
	Training   *training = spool->training;
	bool		is_newest;

	if (training->history_end == 0)
		training->history_end = spool->before;
	if (spool->digest == NULL)
		is_newest = training->hold_out_from != 0 && spool->before >= training->hold_out_from;
	else
		is_newest = spool->newest_left-- > 0;
	if (is_newest)
	{
		if (spool->digest != NULL)
			training->hold_out_from = spool->before;
		hold_out(&training->newest, record, training->context);
		return true;
	}
	if (!is_withheld(training, record))
		return false;
	hold_out(&training->withheld, record, training->context);
	return true;
}

/* Are there enough records of this plan already? */
static bool
is_crowding(Spool *spool, const PredictorRecord *record)
{
	int64		most = Max(SIGNATURE_LEAST, (int64) (spool->limit * SIGNATURE_SHARE));
	SignatureCount *count;
	bool		found;

	if (record->statement.flags & PREDICTOR_STATEMENT_TIMED_OUT)
		return false;
	count = hash_search(spool->signatures, &record->statement.signature,
						hash_get_num_entries(spool->signatures) < SIGNATURES_MOST ? HASH_ENTER : HASH_FIND,
						&found);
	if (count == NULL)
		return false;
	if (!found)
		count->records = 0;
	return ++count->records > most;
}

/* ---- what is sent ---- */

static void
write_out(Spool *spool)
{
	Training   *training = spool->training;

	if (spool->used == 0)
		return;
	if (!engine_digest_add(spool->digest, spool->buffer, spool->used))
		elog(ERROR, "could not compute SHA-256");
	errno = 0;
	if (FileWrite(training->spool, spool->buffer, spool->used, training->spool_bytes,
				  WAIT_EVENT_BUFFILE_WRITE) != (int) spool->used)
	{
		if (errno == 0)
			errno = ENOSPC;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write the history for training to a temporary file: %m")));
	}
	training->spool_bytes += spool->used;
	spool->used = 0;
}

/* A HistoryVisitor. */
static bool
write_record(const PredictorRecord *record, void *context)
{
	Spool	   *spool = context;
	Training   *training = spool->training;
	size_t		size = predictor_encoded_size(record->node_count);

	CHECK_FOR_INTERRUPTS();
	if (take_aside(spool, record) || spool->digest == NULL || is_crowding(spool, record))
		return true;
	if (training->records >= spool->limit)
		return false;
	if (training->spool_bytes + (int64) spool->used + (int64) size > TRAINING_SPOOL_LIMIT)
	{
		spool->is_full = true;
		return false;
	}
	if (spool->used + size > spool->capacity)
		write_out(spool);
	if (size > spool->capacity)
	{
		spool->buffer = repalloc(spool->buffer, size);
		spool->capacity = size;
	}
	size = predictor_encode(record, spool->buffer + spool->used, spool->capacity - spool->used);
	if (size == 0)
		return true;			/* no record that another version of us could not read either */
	spool->used += size;
	training->records++;
	return true;
}

static void
report_records(const Training *training)
{
	LWLockAcquire(shared->lock, LW_EXCLUSIVE);
	shared->jobs[training->slot].plans = training->records;
	shared->jobs[training->slot].progress_count++;
	LWLockRelease(shared->lock);
}

static void
copy_history(Spool *spool)
{
	Training   *training = spool->training;
	int64		visited = 0;
	int64		chunk;

	do
	{
		training_check(training);
		worker_begin("reading history for training");
		chunk = history_read(&spool->before, RECORDS_PER_TRANSACTION, write_record, spool);
		worker_commit();
		MemoryContextSwitchTo(training->context);
		visited += chunk;
		report_records(training);
	} while (chunk > 0 && !spool->is_full && training->records < spool->limit &&
			 visited < READ_FACTOR * spool->limit);
}

/* How much history there is decides what can be held out. */
static void
plan_hold_outs(Spool *spool)
{
	int64		records;
	int64		queries;
	bool		isnull;

	worker_begin("looking at the history");
	training_sql(SPI_OK_SELECT,
				 "SELECT (SELECT count(*) FROM predictor.execution), (SELECT count(DISTINCT query_id) FROM predictor.plan)",
				 0, NULL, NULL);
	records = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	queries = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull));
	worker_commit();
	MemoryContextSwitchTo(spool->training->context);

	records = Min(records, spool->limit);
	if (records >= HOLD_OUT_LEAST_HISTORY)
		spool->newest_left = Min((int64) (records * HOLD_OUT_SHARE), HOLD_OUT_MOST);
	spool->training->withholds = queries >= WITHHELD_LEAST_QUERIES;
	spool->training->history_end = spool->training->hold_out_from = 0;
}

static void
make_signatures(Spool *spool)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(uint64);
	control.entrysize = sizeof(SignatureCount);
	control.hcxt = spool->training->context;
	spool->signatures = hash_create("predictor signatures", 1024, &control,
									HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
check_enough(const Training *training)
{
	if (training->records >= TRAINING_LEAST_RECORDS)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("model \"%s\" cannot be trained with " INT64_FORMAT " recorded statements",
					NameStr(training->job.model), training->records),
			 errdetail("At least %d are needed.", TRAINING_LEAST_RECORDS),
			 errhint("Run statements with predictor.capture on; predictor.stat shows what was recorded "
					 "and what was dropped.")));
}

void
training_spool(Training *training)
{
	Spool		spool = {training};

	training_phase(training, "reading history");
	spool.limit = predictor_training_plans;
	spool.before = PG_INT64_MAX;
	spool.capacity = BUFFER_SIZE;
	spool.buffer = palloc(BUFFER_SIZE);
	predictor_stream_header(spool.buffer);
	spool.used = PREDICTOR_STREAM_HEADER_SIZE;
	make_signatures(&spool);
	plan_hold_outs(&spool);
	training->spool = OpenTemporaryFile(true);
	spool.digest = engine_digest_begin();
	if (spool.digest == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	PG_TRY();
	{
		copy_history(&spool);
		write_out(&spool);
	}
	PG_CATCH();
	{
		(void) engine_digest_end(spool.digest, NULL);
		PG_RE_THROW();
	}
	PG_END_TRY();

	if (!engine_digest_end(spool.digest, training->spool_sha256))
		elog(ERROR, "could not compute SHA-256");
	pfree(spool.buffer);
	hash_destroy(spool.signatures);
	if (spool.is_full)
		ereport(LOG,
				(errmsg("training of model \"%s\" uses only the newest " INT64_FORMAT
						" recorded statements, which fill %d MB", NameStr(training->job.model),
						training->records, (int) (TRAINING_SPOOL_LIMIT >> 20))));
	check_enough(training);
}

void
training_spool_hold_outs(Training *training)
{
	Spool		spool = {training};

	training_phase(training, "reading history");
	spool.limit = predictor_training_plans;
	spool.before = training->history_end + 1;
	if (training->hold_out_from != 0 || training->withholds)
		copy_history(&spool);
}
