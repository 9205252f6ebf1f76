/*
 * opengauss_texts.h - the texts of a node's condition and projection as openGauss deparses them, of
 * which nothing is kept but 12 bits of a hash each.
 */
#ifndef PREDICTOR_OPENGAUSS_TEXTS_H
#define PREDICTOR_OPENGAUSS_TEXTS_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"

/*
 * Fills text_hashes of the nodes of a started plan. Deparses as EXPLAIN does, and so reads catalogs
 * and may find that something was dropped meanwhile: then the nodes keep no hashes, and the server's
 * log says so. Raises only what ends the statement anyway.
 */
extern void opengauss_hash_texts(QueryDesc *queryDesc, Extract *extract);

#endif
