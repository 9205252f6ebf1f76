/*
 * record_columns.h - which column of predictor.plan and predictor.execution holds which field of a
 * record, for writing and reading alike. A new field needs a line here and a column in the
 * extension's script.
 *
 * A column of a node is an array with one element for each node, in pre-order; a column of the
 * statement is a plain value.
 */
#ifndef PREDICTOR_RECORD_COLUMNS_H
#define PREDICTOR_RECORD_COLUMNS_H

#include "postgres.h"

#include "plan/plan_record.h"

typedef struct RecordColumn
{
	const char *name;
	Oid			type;			/* of the value or of the array's elements */
	size_t		offset;			/* of the field in PredictorStatement or PredictorNode */
	int			size;			/* of the field */
	uint16		mask;			/* bits of `flags` that the column holds; 0: the whole field */
	bool		is_actual;		/* measured: NULL where nothing was instrumented */
	bool		is_optional;	/* NULL where the root's is 0 */
} RecordColumn;

extern const RecordColumn plan_columns[];
extern const RecordColumn execution_columns[];
extern const RecordColumn statement_columns[];
extern const int plan_column_count;
extern const int execution_column_count;
extern const int statement_column_count;

extern Oid	column_array_type(const RecordColumn *column);

/* Is there nothing to write of this record? */
extern bool column_is_null(const RecordColumn *column, const PredictorRecord *record);

/* All nodes' fields as an array, allocated in the current context. */
extern Datum column_array(const RecordColumn *column, const PredictorRecord *record);

/* Sets the fields of the nodes; raises when the array is not one of `count` elements. */
extern void column_read_array(const RecordColumn *column, Datum array, PredictorNode *nodes, int count);

extern Datum column_value(const RecordColumn *column, const PredictorStatement *statement);
extern void column_read_value(const RecordColumn *column, Datum value, PredictorStatement *statement);

#endif
