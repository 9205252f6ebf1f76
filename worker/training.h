/*
 * training.h - one training, as the trainer's files share it: trainer.c (the job), training_store.c
 * (the tables), training_spool.c (history into a file), training_engine.c (the dialogue with the
 * engine), training_judge.c (champion and challenger).
 */
#ifndef PREDICTOR_TRAINING_H
#define PREDICTOR_TRAINING_H

#include "postgres.h"

#include "extension/engine_client.h"
#include "extension/shared.h"
#include "storage/fd.h"

/* Fewer records than this are not worth a model. */
#define TRAINING_LEAST_RECORDS 10

/* The largest bundle that is taken, and the largest history that is sent. */
#define TRAINING_BUNDLE_LIMIT ((size_t) 8 * 1024 * 1024)
#define TRAINING_SPOOL_LIMIT (INT64CONST(512) * 1024 * 1024)

/* Encoded records that the training does not see: what the result is judged on. */
typedef struct HoldOut
{
	char	   *bytes;			/* NULL: none */
	Size		size;
	Size		allocated;
	int			records;
} HoldOut;

typedef struct Training
{
	int			slot;			/* in shared->jobs */
	TrainingJob job;			/* as it was asked for */
	MemoryContext context;		/* lives as long as the training */

	/* the model, as it was at the beginning */
	char	   *model;			/* uuid */
	char	   *engine_model;	/* the uuid under which the engine knows it */
	char	   *template_name;
	char	   *options;		/* "&name=value" of each, for the engine */
	int			active_version; /* -1: none */
	int			version;		/* of this training */
	bool		is_recorded;	/* in predictor.training_job */
	char	   *environment;	/* what predictor.environment() said at the beginning */
	char	   *interrupted;	/* a job that the engine may still work on for nobody; or NULL */

	/* what is sent */
	File		spool;			/* 0: none yet; a temporary file, gone with the process */
	int64		spool_bytes;
	int64		records;
	char		spool_sha256[ENGINE_SHA256_HEX];

	/* what is held out; the same again if the job is taken up by another trainer */
	int64		history_end;	/* the newest execution that was read */
	int64		hold_out_from;	/* from this one on they are the newest slice; 0: there is none */
	bool		withholds;		/* queries, too */
	HoldOut		newest;
	HoldOut		withheld;

	/* the engine */
	EngineTarget engine;
	bool		is_found;
	bool		is_submitted;	/* and not yet ended there */
	char	   *submitted_to;	/* its URL, if an earlier trainer sent the job there; or NULL */
	bool		is_lost;		/* by an engine that ended or forgot it: nothing is wrong with the job */

	/* what comes back */
	Jsonb	   *facts;			/* the finished job, in the engine's words */
	EngineReply *bundle;
	bool		wins;			/* against the champion */
	char	   *verdict;		/* members of a JSON object, without its braces */
} Training;

/* Raises if the training was cancelled; to be called in every loop. An EngineWaitHook. */
extern void training_check(void *training);

/* Tells the slot which phase the training is in. */
extern void training_phase(const Training *training, const char *phase);

/* Takes the job's row, or makes it; reads the model. A transaction of its own, as the next three. */
extern void training_begin(Training *training);

/* Writes down where the job is about to be sent, with all that another trainer must know to go on. */
extern void training_note_submission(const Training *training);

/* Stores the version, promotes it if it shall be, and ends the job, all or nothing. */
extern void training_store(Training *training, TrainingJob *result);

/* Writes how a job ended badly into its row. */
extern void training_close(const Training *training, const TrainingJob *result);

/* Leaves the job's row open for the next look, which begins it once more; `error` says what happened. */
extern void training_leave_open(const Training *training, const char *error);

/* Runs a statement with parameters; raises if it is not of the expected kind. In a transaction. */
extern void training_sql(int expected, const char *sql, int count, Oid *types, Datum *values);

/*
 * Writes the history into the spool file, but for what is held out. Begins and ends transactions of
 * its own. The other one reads what the first held out again, and nothing else.
 */
extern void training_spool(Training *training);
extern void training_spool_hold_outs(Training *training);

/* Finds the engine, started if need be, and sees that it is one that we understand. */
extern void training_contact(Training *training);

/* Has a job that nobody follows any more cancelled; does not mind if that cannot be done. */
extern void training_forget(Training *training, const char *job);

/* Does the engine know the job already? */
extern bool training_is_there(Training *training);

/* Sends the spool. */
extern void training_submit(Training *training);

/* Follows the job to its end, and fetches and verifies the bundle. */
extern void training_follow(Training *training);

/* Fills in wins and verdict. */
extern void training_judge(Training *training);

#endif
