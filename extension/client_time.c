/*
 * client_time.c - see client_time.h.
 *
 * Two readings of the exact clock for each row would cost a wide result some percent. So after the
 * first EACH_ROW_UNTIL rows only one row in about MEAN_GAP is timed exactly and stands for those
 * since the last timed one; the distances are random, since the network blocks once in so many rows
 * and a fixed distance could fall into step with that. A client that stops reading, though, makes one
 * single row last for seconds: that is seen on the coarse clock, which costs next to nothing, in every
 * row, and counts as what it is.
 */
#include "postgres.h"

#include "extension/client_time.h"
#include "extension/compat.h"

#define EACH_ROW_UNTIL 64
#define MEAN_GAP 8
/* Two ticks of the coarsest clock that there is, at 100 Hz. */
#define STALL_NS UINT64CONST(20000000)
/* Less than so many bytes do not fill the server's send buffer: nobody waits for the client. */
#define UNSENT_BYTES 4096

/* Marsaglia's xorshift64. */
static uint64
next_random(ClientTime *time)
{
	time->random ^= time->random << 13;
	time->random ^= time->random >> 7;
	time->random ^= time->random << 17;
	return time->random;
}

static void
plan_next(ClientTime *time)
{
	time->weight = time->rows < EACH_ROW_UNTIL ? 1 : 1 + next_random(time) % (2 * MEAN_GAP - 1);
	time->next_timed = time->rows + time->weight;
}

static bool
receive(TupleTableSlot *slot, DestReceiver *self)
{
	ClientTime *time = (ClientTime *) self;
	bool		exactly = ++time->rows >= time->next_timed;
	uint64		started = exactly ? clock_nanoseconds() : coarse_nanoseconds();
	bool		more = time->inner->receiveSlot(slot, time->inner);
	uint64		elapsed = (exactly ? clock_nanoseconds() : coarse_nanoseconds()) - started;

	if (elapsed >= STALL_NS)
		time->nanoseconds += elapsed;
	else if (exactly)
		time->nanoseconds += (double) elapsed * time->weight;
	if (exactly)
		plan_next(time);
	return more;
}

static void
start_up(DestReceiver *self, int operation, TupleDesc typeinfo)
{
	DestReceiver *inner = ((ClientTime *) self)->inner;

	inner->rStartup(inner, operation, typeinfo);
}

static void
shut_down(DestReceiver *self)
{
	DestReceiver *inner = ((ClientTime *) self)->inner;

	inner->rShutdown(inner);
}

static void
destroy(DestReceiver *self)
{
	/* The executor does not destroy receivers, and ours is part of something else. */
}

void
client_time_begin(ClientTime *time, QueryDesc *queryDesc)
{
	DestReceiver *dest = queryDesc->dest;

	if (dest->mydest != DestRemote && dest->mydest != DestRemoteExecute &&
		dest->mydest != DestRemoteSimple && dest->mydest != DestCopyOut)
		return;
	time->receiver.receiveSlot = receive;
	time->receiver.rStartup = start_up;
	time->receiver.rShutdown = shut_down;
	time->receiver.rDestroy = destroy;
	time->receiver.mydest = dest->mydest;
	time->inner = dest;
	if (time->random == 0)
	{
		time->random = (uintptr_t) queryDesc | 1;
		plan_next(time);
	}
	queryDesc->dest = &time->receiver;
}

void
client_time_end(ClientTime *time, QueryDesc *queryDesc)
{
	if (time->inner == NULL)
		return;
	queryDesc->dest = time->inner;
	time->inner = NULL;
}

bool
client_time_is_negligible(const QueryDesc *queryDesc)
{
	return (double) queryDesc->estate->es_processed *
		queryDesc->plannedstmt->planTree->plan_width < UNSENT_BYTES;
}
