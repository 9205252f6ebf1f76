/*
 * publishing.h - which database is looked at next (publishing.c, in the launcher), and what a publisher
 * shares with collectors (publisher.c).
 */
#ifndef PREDICTOR_PUBLISHING_H
#define PREDICTOR_PUBLISHING_H

#include "postgres.h"

#include "extension/shared.h"

/* Takes notice of models that changed, for which a standby has only the invalidations of its replay. */
extern void publishing_listen(void);

/* Reaps the publisher that ended, and starts one for a database that wants it. For the launcher. */
extern void publishing_round(void);

/* Reads the database's key, in a transaction with SPI. False: the extension is not here. */
extern bool publisher_read_key(HashKey *key);

#endif
