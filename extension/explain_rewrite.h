/*
 * explain_rewrite.h - from the output of an EXPLAIN whose plan widths were marks to the output with
 * the true widths and our lines. Knows text and marks alone; explain_utility.c sets the marks.
 *
 * A mark is a number that stands where PostgreSQL prints a node's width: ten digits, different for
 * each node of the command. The numbers start at random, so a literal of the user's cannot imitate
 * them, and they are looked for only behind the words that PostgreSQL prints before a width.
 */
#ifndef PREDICTOR_EXPLAIN_REWRITE_H
#define PREDICTOR_EXPLAIN_REWRITE_H

#include "extension/explain.h"

#if PG_VERSION_NUM < 180000

typedef struct MarkedNode
{
	int			width;			/* the true one */
	const PredictorNodePrediction *prediction;	/* NULL: none */
	const Answer *answer;		/* of the plan it belongs to, NULL: none */
	int			seen;			/* how often its mark was found */
} MarkedNode;

typedef struct MarkedOutput
{
	ExplainFormat format;
	bool		hide_costs;		/* the user said COSTS OFF: what costs print is to go */
	bool		is_opengauss;	/* predictions stand where openGauss has them: beside the width */
	int			first_mark;		/* node i has the mark first_mark + i */
	int			node_count;
	MarkedNode *nodes;
} MarkedOutput;

/*
 * Appends to `result` what `text`, the whole output of the command, is to become. Counts `seen`; a
 * node whose mark is not there exactly once gets its width back and no prediction.
 */
extern void explain_rewrite(MarkedOutput *output, const char *text, StringInfo result);

#endif
#endif
