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

extern int	command_number(CmdType command);

#endif
