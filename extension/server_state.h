/*
 * server_state.h - how busy the server is, as far as it can be told without a lock.
 */
#ifndef PREDICTOR_SERVER_STATE_H
#define PREDICTOR_SERVER_STATE_H

#include "postgres.h"

/*
 * Processes that do something now: that have a transaction and do not wait for their client. Reads
 * without a lock, so a process that starts or ends meanwhile may be counted or not.
 */
extern int	count_active_backends(void);

/*
 * The share of this process's recent block accesses that found the block in shared buffers; NaN
 * before the first ones.
 */
extern float recent_hit_share(void);

#endif
