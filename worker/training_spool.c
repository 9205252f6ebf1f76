/*
 * training_spool.c - writes a database's history into a temporary file, as the engine wants it.
 *
 * A file, because the records come in short transactions and leave in one upload whose length and
 * checksum are told first; nothing but a buffer is in memory.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

#include "extension/facade.h"
#include "extension/settings.h"
#include "worker/history.h"
#include "worker/training.h"
#include "worker/worker.h"

#define RECORDS_PER_TRANSACTION 500
#define BUFFER_SIZE (256 * 1024)

typedef struct Spool
{
	Training   *training;
	EngineDigest *digest;
	char	   *buffer;
	size_t		capacity;
	size_t		used;
	int64		limit;			/* records */
	bool		is_full;
} Spool;

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
	int64		before = PG_INT64_MAX;
	int64		visited = 0;
	int64		chunk;

	do
	{
		int64		left = spool->limit - visited;

		training_check(spool->training);
		worker_begin("reading history for training");
		chunk = history_read(&before, (int) Min(left, RECORDS_PER_TRANSACTION), write_record, spool);
		worker_commit();
		MemoryContextSwitchTo(spool->training->context);
		visited += chunk;
		report_records(spool->training);
	} while (chunk > 0 && visited < spool->limit && !spool->is_full);
	write_out(spool);
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
	spool.capacity = BUFFER_SIZE;
	spool.buffer = palloc(BUFFER_SIZE);
	predictor_stream_header(spool.buffer);
	spool.used = PREDICTOR_STREAM_HEADER_SIZE;
	training->spool = OpenTemporaryFile(true);
	spool.digest = engine_digest_begin();
	if (spool.digest == NULL)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));

	PG_TRY();
	{
		copy_history(&spool);
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
	if (spool.is_full)
		ereport(LOG,
				(errmsg("training of model \"%s\" uses only the newest " INT64_FORMAT
						" recorded statements, which fill %d MB", NameStr(training->job.model),
						training->records, (int) (TRAINING_SPOOL_LIMIT >> 20))));
	check_enough(training);
}
