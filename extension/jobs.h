/*
 * jobs.h - the slots of shared->jobs, and when a worker shall look at a database's trainings next.
 *
 * Facts that must survive are in predictor.training_job; a slot is the live part of a job that a
 * trainer works on or is about to. Each function takes shared->lock for itself, briefly.
 */
#ifndef PREDICTOR_JOBS_H
#define PREDICTOR_JOBS_H

#include "postgres.h"

#include "extension/shared.h"

/* Is somebody working on the job of the current database, or about to? */
extern bool jobs_is_live(const pg_uuid_t *id);

/* Takes a free slot. -1: none is free; -2: *running is training that model already. */
extern int	jobs_take_slot(const TrainingJob *wanted, pg_uuid_t *running);

/* Wakes a trainer, so that it sees that its job was cancelled. */
extern void jobs_wake_trainer(int pid);

/* A look is due at `when` or, if one was already due before that, then. Wakes the launcher. */
extern void jobs_look_at(Oid database, TimestampTz when);

/* Is a look due? If so, none is from now on. A database that was never looked at is due. */
extern bool jobs_take_look(Oid database);

/* Databases for which a look is due, at most `count` of them. For the launcher. */
extern int	jobs_looks_due(Oid *databases, int count);

#endif
