/*
 * launcher.h - how the launcher starts workers.
 */
#ifndef PREDICTOR_LAUNCHER_H
#define PREDICTOR_LAUNCHER_H

#include "postgres.h"

#include "postmaster/bgworker.h"

/* Starts a dynamic worker whose end wakes the launcher; says once in the log if no slot is free. */
extern bool launcher_start_worker(const char *function, const char *name, Datum argument, int flags,
								  BackgroundWorkerHandle **handle);

#endif
