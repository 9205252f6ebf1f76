/*
 * server_state.h - how busy the server is, as far as it can be told without a lock.
 */
#ifndef PREDICTOR_SERVER_STATE_H
#define PREDICTOR_SERVER_STATE_H

#include "postgres.h"

/*
 * Processes of all databases that do something, and do not wait for their client, now or a tenth of
 * a second ago. Reads without a lock, so one that starts or ends meanwhile may be counted or not.
 */
extern int	count_active_backends(void);

/*
 * The share of this process's recent block accesses that found the block in shared buffers; NaN
 * before the first ones.
 */
extern float recent_hit_share(void);

#endif
