/*
 * limit.h - predictor.max_predicted_time: statements that are predicted to take longer are logged,
 * warned of or refused before they start.
 */
#ifndef PREDICTOR_LIMIT_H
#define PREDICTOR_LIMIT_H

#include "postgres.h"

#include "extension/serve.h"

/* Called once from _PG_init(), after the hooks of capture. */
extern void limit_init(void);

/* Forgets what is known of statements far below the limit. Cannot raise. */
extern void limit_forget(void);

#endif
