/*
 * limit.h - predictor.max_predicted_time: statements that are predicted to take longer are logged,
 * warned of or refused before their first row is read.
 */
#ifndef PREDICTOR_LIMIT_H
#define PREDICTOR_LIMIT_H

#include "postgres.h"

#include "extension/serve.h"

/* Called once from _PG_init(), after the hooks of capture. */
extern void limit_init(void);

/*
 * Is the started plan known to be far below the limit under this model? Otherwise it has to be
 * predicted. Answers from memory alone.
 */
extern bool limit_is_far_below(const ServedModel *model, const QueryDesc *queryDesc);

/* Remembers what a plan was predicted to take at most. */
extern void limit_remember(const ServedModel *model, const QueryDesc *queryDesc, double high_ms);

/* Forgets what is known of statements far below the limit. Cannot raise. */
extern void limit_forget(void);

#endif
