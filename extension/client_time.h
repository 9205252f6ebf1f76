/*
 * client_time.h - how much of ExecutorRun went into sending rows to the client.
 *
 * Formatting rows and waiting for the client to read them is not the plan's doing, and EXPLAIN
 * ANALYZE does not count it. While a statement that may be recorded runs, its DestReceiver is
 * wrapped; receivers that do the server's own work (CREATE TABLE AS, SPI, ...) are left alone.
 *
 * A ClientTime lives where the caller puts it, must stay there between begin and end, and takes no
 * memory of its own.
 */
#ifndef PREDICTOR_CLIENT_TIME_H
#define PREDICTOR_CLIENT_TIME_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "tcop/dest.h"

typedef struct ClientTime
{
	DestReceiver receiver;		/* must be first: what the executor sees */
	DestReceiver *inner;		/* NULL: not wrapped now */
	uint64		rows;
	uint64		next_timed;		/* the next row whose sending is timed */
	uint64		weight;			/* how many rows that one stands for */
	uint64		random;
	double		nanoseconds;	/* in all runs so far; an estimate from sampled rows */
} ClientTime;

extern void client_time_begin(ClientTime *time, QueryDesc *queryDesc);

/* Puts the receiver back; also on the way of an error. */
extern void client_time_end(ClientTime *time, QueryDesc *queryDesc);

/* Of a statement that was not wrapped: can there be no time of the client's in its time? */
extern bool client_time_is_negligible(const QueryDesc *queryDesc);

#endif
