/*
 * opengauss_shapes.h - openGauss's texts of a plan's conditions and projections without literals: how
 * they travel with a record, and when they do.
 *
 * They are the same for all executions of one query by one plan, so they go with a record only now and
 * then: each backend remembers which it has sent lately, in a table of fixed size. Whatever loses
 * them on their way loses them for so long.
 *
 * As bytes they are a string for each node's condition and one for its projection, in the record's
 * order, each with its NUL; the empty string is a text that is not known. A known one begins with a
 * space.
 */
#ifndef PREDICTOR_OPENGAUSS_SHAPES_H
#define PREDICTOR_OPENGAUSS_SHAPES_H

#include "postgres.h"

#include "lib/stringinfo.h"
#include "plan/plan_record.h"

/* Of all texts of a plan together; what is beyond is left out. */
#define OPENGAUSS_SHAPES_SIZE (32 * 1024)

/* Are the texts of this plan to be made, and to go with its record? */
extern bool opengauss_shapes_are_wanted(const PredictorStatement *statement);

/* They have gone, or cannot be made: not again for a while. */
extern void opengauss_shapes_are_done(const PredictorStatement *statement);

/* Appends a text, if it leaves so many others their NULs. */
extern void opengauss_shapes_append(StringInfo shapes, const StringInfoData *text, int others);

/* The text at *at, which moves on; NULL: not known, or there are no more. */
extern const char *opengauss_shapes_next(const char **at, const char *end);

#endif
