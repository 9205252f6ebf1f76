/*
 * publishing.h - which database is looked at next (publishing.c, in the launcher), and what a publisher
 * shares with collectors (publisher.c).
 */
#ifndef PREDICTOR_PUBLISHING_H
#define PREDICTOR_PUBLISHING_H

#include "postgres.h"

#include "extension/shared.h"

/*
 * Makes every database known, once after a start, so that each is looked into, one after the other.
 * Later databases introduce themselves when something is captured there.
 */
extern void publishing_introduce_databases(void);

/* Takes notice of models that changed, for which a standby has only the invalidations of its replay. */
extern void publishing_listen(void);

/* Reaps the publisher that ended, and starts one for a database that wants it. For the launcher. */
extern void publishing_round(void);

/* Reads the database's key, in a transaction with SPI. False: the extension is not here. */
extern bool publisher_read_key(HashKey *key);

#endif
