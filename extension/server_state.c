/*
 * server_state.c - see server_state.h.
 *
 * Recent is what happened since the last time that a whole window of accesses was over: windows are
 * counted in accesses, not in seconds, so that a quiet session remembers its last ones.
 */
#include "postgres.h"

#include <math.h>

#include "executor/instrument.h"
#include "portability/instr_time.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

#include "extension/server_state.h"

#define WINDOW_BLOCKS 2000

/* Looking at thousands of processes takes longer than predicting a plan. */
#define COUNT_AGAIN_MS 100

/* With a hundred thousand connections the answer is not worth a walk over all of them. */
#define MAX_PROCESSES 4096

static int
count_now(void)
{
	int			active = 0;
	int			count = Min((int) ProcGlobal->allProcCount, MAX_PROCESSES);

	for (int i = 0; i < count; i++)
	{
		volatile PGPROC *process = &ProcGlobal->allProcs[i];
		uint32		wait_class;

		if (process->pid == 0 || process->databaseId == InvalidOid)
			continue;
		wait_class = process->wait_event_info & 0xFF000000;
		if (wait_class != PG_WAIT_CLIENT && wait_class != PG_WAIT_ACTIVITY)
			active++;
	}
	return Min(active, PG_UINT16_MAX);
}

int
count_active_backends(void)
{
	static instr_time counted_at;
	static int	active = 0;
	instr_time	now;
	instr_time	since;

	INSTR_TIME_SET_CURRENT(now);
	since = now;
	INSTR_TIME_SUBTRACT(since, counted_at);
	if (active == 0 || INSTR_TIME_GET_MILLISEC(since) >= COUNT_AGAIN_MS)
	{
		active = count_now();
		counted_at = now;
	}
	return active;
}

float
recent_hit_share(void)
{
	static int64 hits_before = 0;	/* when the window began */
	static int64 reads_before = 0;
	static float share = NAN;	/* of the window before */
	int64		hits = pgBufferUsage.shared_blks_hit - hits_before;
	int64		reads = pgBufferUsage.shared_blks_read - reads_before;
	int64		accesses = hits + reads;
	float		now;

	if (accesses <= 0)
		return share;
	now = (float) hits / accesses;
	if (!isnan(share) && accesses < WINDOW_BLOCKS)
		now = share + (now - share) * accesses / WINDOW_BLOCKS;
	if (accesses >= WINDOW_BLOCKS)
	{
		hits_before = pgBufferUsage.shared_blks_hit;
		reads_before = pgBufferUsage.shared_blks_read;
		share = now;
	}
	return Max(0.0f, Min(1.0f, now));
}
