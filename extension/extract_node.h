/*
 * extract_node.h - what is known of one plan node before it runs, apart from its predicates.
 */
#ifndef PREDICTOR_EXTRACT_NODE_H
#define PREDICTOR_EXTRACT_NODE_H

#include "postgres.h"

#include "executor/execdesc.h"
#include "extension/extract.h"

/*
 * Fills everything but relationship, parent and the predicate. The nodes above are described
 * already. Reads the system caches; allocates nothing.
 */
extern void describe_node(Extract *extract, int node, QueryDesc *queryDesc);

/*
 * Of a node of which all else is known from another execution of its plan: what the planner thinks of
 * it now. False if it is not that node. Reads no catalog and raises nothing.
 */
extern bool describe_again(PredictorNode *node, Plan *plan);

extern int	command_number(CmdType command);

#endif
