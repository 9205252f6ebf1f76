/*
 * opengauss_texts.h - the texts of a node's condition and projection as openGauss deparses them. Of
 * the texts themselves nothing is kept but 12 bits of a hash each; what is kept as text has no
 * literals.
 */
#ifndef PREDICTOR_OPENGAUSS_TEXTS_H
#define PREDICTOR_OPENGAUSS_TEXTS_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"

/*
 * Both deparse a started plan as EXPLAIN does, and so read catalogs and may find that something was
 * dropped meanwhile: then the record does without, and the server's log says so. They raise only what
 * ends the statement anyway. The first fills the nodes' text_hashes, the second the plan's shapes,
 * unless this backend has sent these lately (opengauss_shapes.h).
 */
extern void opengauss_hash_texts(QueryDesc *queryDesc, Extract *extract);
extern void opengauss_shape_texts(QueryDesc *queryDesc, Extract *extract);

#endif
