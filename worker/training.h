/*
 * training.h - one training, as the trainer's three files share it: trainer.c (the job and the
 * tables), training_spool.c (history into a file), training_engine.c (the dialogue with the engine).
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

typedef struct Training
{
	int			slot;			/* in shared->jobs */
	TrainingJob job;			/* as it was asked for */
	MemoryContext context;		/* lives as long as the training */

	/* the model, as it was at the beginning */
	char	   *model;			/* uuid */
	char	   *template_name;
	char	   *options;		/* "&name=value" of each, for the engine */
	int			active_version; /* -1: none */
	int			version;		/* of this training */
	bool		is_recorded;	/* in predictor.training_job */

	/* what is sent */
	File		spool;			/* 0: none yet; a temporary file, gone with the process */
	int64		spool_bytes;
	int64		records;
	char		spool_sha256[ENGINE_SHA256_HEX];

	/* the engine */
	EngineTarget engine;
	bool		is_found;
	bool		is_submitted;	/* and not yet ended there */

	/* what comes back */
	Jsonb	   *facts;			/* the finished job, in the engine's words */
	EngineReply *bundle;
} Training;

/* Raises if the training was cancelled; to be called in every loop. An EngineWaitHook. */
extern void training_check(void *training);

/* Tells the slot which phase the training is in. */
extern void training_phase(const Training *training, const char *phase);

/* Writes the history into the spool file. Begins and ends transactions of its own. */
extern void training_spool(Training *training);

/* Finds the engine, started if need be, and sees that it is one that we understand. */
extern void training_contact(Training *training);

/* Has a job that nobody follows any more cancelled; does not mind if that cannot be done. */
extern void training_forget(Training *training, const char *job);

/* Sends the spool, follows the job to its end, and fetches and verifies the bundle. */
extern void training_run(Training *training);

#endif
