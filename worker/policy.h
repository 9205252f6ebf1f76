/*
 * policy.h - automatic training: what a look at a database's trainings does.
 */
#ifndef PREDICTOR_POLICY_H
#define PREDICTOR_POLICY_H

#include "postgres.h"

/*
 * If a look is due: makes jobs of the models that are due for training, hands all jobs that nobody
 * works on to the launcher, and says when to look again. For a collector, outside of a transaction.
 * Errors are logged and go no further.
 */
extern void policy_look(void);

/* New statements were stored: a look is due soon. */
extern void policy_statements_stored(void);

#endif
