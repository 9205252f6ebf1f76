/*
 * memo.h - answers that this backend has had, by plan, values and model: a statement that is executed
 * again is not predicted again.
 *
 * A table of fixed size in the backend. An answer is found by the plan's identity (plan_identity.h),
 * never by where the plan lies, under one generation of one model, one key and one factor of live
 * calibration. All are forgotten when a relation changes, and each is asked for anew at every 64th use:
 * what an identity does not tell, a table's size for one, changes slowly.
 */
#ifndef PREDICTOR_MEMO_H
#define PREDICTOR_MEMO_H

#include "postgres.h"

#include "extension/serve.h"

/* The place of a statement's answer; 0: it has none. Reads the plan, which need not be started. */
extern uint64 memo_key(const ServedModel *model, const QueryDesc *queryDesc);

/* False: the answer is not there, or it is time to ask again. */
extern bool memo_find(uint64 key, WholeAnswer *answer);
extern void memo_put(uint64 key, const WholeAnswer *answer);

/* Forgets all; for use while invalidations are processed. */
extern void memo_forget(void);

#endif
