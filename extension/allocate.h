/*
 * allocate.h - memory that hooks ask for: refused, not raised, when there is none.
 */
#ifndef PREDICTOR_ALLOCATE_H
#define PREDICTOR_ALLOCATE_H

#include "postgres.h"

#include "extension/settings.h"

/*
 * `size` bytes in `context`, or NULL. The only way in which hooks and the launcher allocate, so that
 * predictor.fail_allocations can show what happens when memory is short.
 */
static inline void *
allocate_or_null(MemoryContext context, Size size)
{
	if (unlikely(predictor_fail_allocations != 0))
	{
		/* -1: each of them; n > 0: the n-th from now */
		if (predictor_fail_allocations == -1 || --predictor_fail_allocations == 0)
			return NULL;
	}
	return MemoryContextAllocExtended(context, size, MCXT_ALLOC_NO_OOM | MCXT_ALLOC_HUGE);
}

#endif
