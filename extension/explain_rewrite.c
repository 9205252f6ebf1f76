/*
 * explain_rewrite.c - see explain_rewrite.h.
 *
 * The text is read once for the marks and once for copying; the copy leaves out or puts in something
 * at each mark (the width, or the costs if they are to go), at the end of the node's properties, and
 * at the end of the query. Where these ends are:
 *
 *	JSON, YAML	strings have their line breaks escaped, so a line is a line and indentation tells
 *	XML			only tags contain "<", so the next <Plans> or </Plan> is the end
 *	TEXT		literals keep their line breaks; a line break between quotes does not end a line
 *				here, and the next node's mark bounds what a lone quote could spoil. All that a
 *				mistake could do is put our line further down; nothing of PostgreSQL's is lost.
 *
 * Our own text is printed by the functions that print it in PostgreSQL 18, into an ExplainState which
 * has the indentation of the place and looks as if something had been printed at that level.
 */
#include "postgres.h"

#include "extension/explain_opengauss.h"
#include "extension/explain_rewrite.h"

#if PG_VERSION_NUM < 180000

#include "nodes/pg_list.h"

#define MARK_DIGITS 10

/* What PostgreSQL prints in a format. */
typedef struct FormatWords
{
	const char *width;			/* before a width */
	const char *partitions;		/* before HashAggregate's planned partitions; NULL: not marked */
	const char *costs;			/* begins what costs print */
	const char *node_ends[3];	/* what ends a node's properties */
	const char *query_ends[2];	/* what ends a query, as far as we are concerned */
	int			query_indent;	/* of a query's properties */
} FormatWords;

static const FormatWords words_of[] = {
	[EXPLAIN_FORMAT_TEXT] = {" width=", NULL, "  (cost=",
	{"Subplans Removed: "}, {"Execution Time: "}, 0},
	[EXPLAIN_FORMAT_XML] = {"<Plan-Width>", "<Planned-Partitions>", "<Startup-Cost>",
	{"<Subplans-Removed>", "<Plans>", "</Plan>"}, {"<Execution-Time>", "</Query>"}, 4},
	[EXPLAIN_FORMAT_JSON] = {"\"Plan Width\": ", "\"Planned Partitions\": ", "\"Startup Cost\": ",
	{"\"Subplans Removed\": ", "\"Plans\": "}, {"\"Execution Time\": "}, 4},
	[EXPLAIN_FORMAT_YAML] = {"Plan Width: ", "Planned Partitions: ", "Startup Cost: ",
	{"Subplans Removed: ", "Plans: "}, {"Execution Time: "}, 2},
};

typedef struct Mark
{
	const char *at;				/* its first digit */
	MarkedNode *node;
	bool		is_partitions;
} Mark;

typedef struct Rewriter
{
	MarkedOutput *output;
	const FormatWords *words;
	const char *text;
	const char *copied;			/* the text before this is in the result */
	StringInfo	result;
	ExplainState *es;			/* prints our text */
	int			mark_count;
	Mark	   *marks;			/* in the order of the text; one more, at NULL, ends them */
} Rewriter;

static bool
starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
starts_with_any(const char *text, const char *const *prefixes, int count)
{
	for (int i = 0; i < count && prefixes[i] != NULL; i++)
		if (starts_with(text, prefixes[i]))
			return true;
	return false;
}

/* Is the text before `at` this word? */
static bool
follows(const Rewriter *rw, const char *at, const char *word)
{
	size_t		length = strlen(word);

	return at - rw->text >= (ptrdiff_t) length && memcmp(at - length, word, length) == 0;
}

static const char *
line_start(const Rewriter *rw, const char *at)
{
	while (at > rw->text && at[-1] != '\n')
		at--;
	return at;
}

static const char *
next_line(const char *at)
{
	at += strcspn(at, "\n");
	return *at == '\n' ? at + 1 : at;
}

static int
indentation(const char *line)
{
	return (int) strspn(line, " ");
}

static void
copy_to(Rewriter *rw, const char *to)
{
	if (to > rw->copied)
	{
		appendBinaryStringInfo(rw->result, rw->copied, to - rw->copied);
		rw->copied = to;
	}
}

/* The text between is left out. */
static void
skip_to(Rewriter *rw, const char *to)
{
	if (to > rw->copied)
		rw->copied = to;
}

/* Finds the marks: a number of ten digits in our range behind one of the words. */
static void
find_marks(Rewriter *rw)
{
	MarkedOutput *output = rw->output;
	const char *p = rw->text;
	/* each node may carry two, and whoever guesses a number brings more */
	int			capacity = output->node_count * 2 + 8;

	rw->marks = palloc(sizeof(Mark) * (capacity + 1));
	while (*(p += strcspn(p, "0123456789")) != '\0')
	{
		size_t		digits = strspn(p, "0123456789");
		long		index = digits == MARK_DIGITS ? strtol(p, NULL, 10) - output->first_mark : -1;

		if (index >= 0 && index < output->node_count)
		{
			bool		is_width = follows(rw, p, rw->words->width);
			bool		is_partitions = rw->words->partitions != NULL &&
				follows(rw, p, rw->words->partitions);

			if ((is_width || is_partitions) && rw->mark_count < capacity)
			{
				Mark	   *mark = &rw->marks[rw->mark_count++];

				mark->at = p;
				mark->node = &output->nodes[index];
				mark->is_partitions = is_partitions;
				if (is_width)
					mark->node->seen++;
			}
		}
		p += digits;
	}
	rw->marks[rw->mark_count].at = NULL;
	rw->marks[rw->mark_count].node = NULL;
}

/* The next node's mark. */
static const Mark *
next_width(const Mark *mark)
{
	do
		mark++;
	while (mark->at != NULL && mark->is_partitions);
	return mark;
}

/*
 * Where the line that begins at `line` ends in TEXT: behind a line break that is not inside quotes.
 * A quotation that is still open at `bound`, or at the end, is none.
 */
static const char *
text_line_end(const char *line, const char *bound)
{
	char		quote = '\0';

	for (const char *p = line; *p != '\0' && (p != bound || quote == '\0'); p++)
	{
		if (quote != '\0')
		{
			if (*p == quote)
				quote = '\0';
		}
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (*p == '\n')
			return p + 1;
	}
	return next_line(line);
}

/* Is this the line that names the InitPlan, SubPlan or CTE whose first node's line comes next? */
static bool
is_label(const char *line, const char *node_line)
{
	int			indent = indentation(line);

	return (starts_with(line + indent, "InitPlan ") || starts_with(line + indent, "SubPlan ") ||
			starts_with(line + indent, "CTE ")) && indentation(node_line) == indent + 2;
}

/*
 * TEXT: the end of the properties of the node whose mark is given; *line is the beginning of its
 * line, and becomes that of the next node's, or the end of its properties if no other follows.
 */
static const char *
text_node_end(const Mark *mark, const char **line, int *indent)
{
	const char *next_mark = next_width(mark)->at;
	const char *node_line = *line;
	const char *end = NULL;
	const char *previous = NULL;
	const char *p;
	const char *after;

	*indent = indentation(node_line);
	*indent += starts_with(node_line + *indent, "->") ? 6 : 2;
	for (p = text_line_end(mark->at, next_mark); *p != '\0'; previous = p, p = after)
	{
		int			depth = indentation(p);

		after = text_line_end(p, next_mark);
		if (next_mark != NULL && after > next_mark)
		{
			*line = p;
			if (end == NULL)
				end = previous != NULL && is_label(previous, p) ? previous : p;
			return end;
		}
		if (end == NULL && (depth < *indent ||
							(depth == *indent && starts_with(p + depth, "Subplans Removed: "))))
			end = p;
	}
	if (end == NULL)
		end = p;
	*line = end;
	return end;
}

/* TEXT: the end of the query whose last node's properties end at `line`. */
static const char *
text_query_end(const char *line, const char *next_mark)
{
	for (; *line != '\0' && *line != '\n'; line = text_line_end(line, next_mark))
		if (starts_with(line, "Execution Time: ") ||
			(next_mark != NULL && text_line_end(line, next_mark) > next_mark))
			break;
	return line;
}

/*
 * JSON and YAML: the end of the properties at this indentation, seen from `at` in one of their lines.
 */
static const char *
lines_end(Rewriter *rw, const char *at, int indent, const char *const *ends, int end_count)
{
	const char *line = at;

	do
		line = next_line(line);
	while (*line != '\0' && (indentation(line) > indent ||
							 (indentation(line) == indent &&
							  !starts_with_any(line + indent, ends, end_count))));
	/* what is printed here begins by ending the line before, and JSON's comma belongs to it */
	if (line[-1] == '\n')
		line--;
	if (rw->output->format == EXPLAIN_FORMAT_JSON && line[-1] == ',')
		line--;
	return line;
}

/* XML: the beginning of the line of the first of these tags. */
static const char *
tag_end(Rewriter *rw, const char *at, const char *const *ends, int end_count)
{
	for (; *(at += strcspn(at, "<")) != '\0'; at++)
		if (starts_with_any(at, ends, end_count))
			return line_start(rw, at);
	return at;
}

static const char *
structured_end(Rewriter *rw, const char *at, int indent, const char *const *ends, int end_count)
{
	if (rw->output->format == EXPLAIN_FORMAT_XML)
		return tag_end(rw, at, ends, end_count);
	return lines_end(rw, at, indent, ends, end_count);
}

/* Leaves out the property in which the mark is, and the ones before it from `first` on. */
static void
drop_property(Rewriter *rw, const char *first, const Mark *mark)
{
	const char *from = line_start(rw, first);
	const char *to = mark->at + MARK_DIGITS;

	if (rw->output->format == EXPLAIN_FORMAT_XML)
		to = next_line(to);
	else if (from > rw->text)
	{
		from--;
		if (from > rw->text && from[-1] == ',')
			from--;
	}
	copy_to(rw, from);
	skip_to(rw, to);
}

/* Readies the ExplainState to print at this indentation, behind something of the same level. */
static ExplainState *
print_at(Rewriter *rw, int indent)
{
	ExplainState *es = rw->es;

	resetStringInfo(es->str);
	es->indent = indent / 2;
	es->grouping_stack = list_make1_int(1);
	return es;
}

static void
insert_printed(Rewriter *rw, const char *at)
{
	copy_to(rw, at);
	appendBinaryStringInfo(rw->result, rw->es->str->data, rw->es->str->len);
}

static bool
has_prediction(const MarkedNode *node)
{
	return node->prediction != NULL && node->seen == 1;
}

/* openGauss's part of a node, if it has one, with the width whose mark it is. */
static void
rewrite_opengauss_width(Rewriter *rw, const Mark *mark, int indent)
{
	const char *after = mark->at + MARK_DIGITS;
	bool		is_text = rw->output->format == EXPLAIN_FORMAT_TEXT;

	copy_to(rw, is_text ? mark->at - strlen(rw->words->width) : mark->at);
	if (is_text)
	{
		explain_opengauss_append_costs(mark->node->prediction, rw->result);
		copy_to(rw, mark->at);
	}
	appendStringInfo(rw->result, "%d", mark->node->width);
	skip_to(rw, after);
	if (is_text)
		return;
	explain_opengauss_show_node(mark->node->prediction, print_at(rw, indent));
	insert_printed(rw, rw->output->format == EXPLAIN_FORMAT_XML ? next_line(after) : after);
}

/* Replaces the mark by the width, or leaves out all that costs print of the node. */
static void
rewrite_width(Rewriter *rw, const Mark *mark, int indent)
{
	const char *costs = rw->words->costs;

	if (rw->output->hide_costs)
	{
		const char *from = mark->at;

		/* there is no more than 200 bytes of costs */
		while (from > rw->copied && mark->at - from < 200 && !starts_with(from, costs))
			from--;
		if (starts_with(from, costs))
		{
			if (rw->output->format != EXPLAIN_FORMAT_TEXT)
				drop_property(rw, from, mark);
			else
			{
				copy_to(rw, from);
				skip_to(rw, mark->at + MARK_DIGITS + 1);
			}
			return;
		}
	}
	if (rw->output->is_opengauss && has_prediction(mark->node))
	{
		rewrite_opengauss_width(rw, mark, indent);
		return;
	}
	copy_to(rw, mark->at);
	appendStringInfo(rw->result, "%d", mark->node->width);
	skip_to(rw, mark->at + MARK_DIGITS);
}

/* One node: its width, the marks in its properties, its prediction; the query's if it is the last. */
static void
rewrite_node(Rewriter *rw, const Mark *mark, const char **line)
{
	const FormatWords *words = rw->words;
	const Mark *next = next_width(mark);
	const char *end;
	int			indent;

	if (rw->output->format == EXPLAIN_FORMAT_TEXT)
		end = text_node_end(mark, line, &indent);
	else
	{
		indent = indentation(line_start(rw, mark->at));
		end = structured_end(rw, mark->at, indent, words->node_ends, lengthof(words->node_ends));
	}
	rewrite_width(rw, mark, indent);
	for (const Mark *inner = mark + 1; inner != next; inner++)
		drop_property(rw, inner->at, inner);
	if (rw->output->is_opengauss)
		return;
	if (has_prediction(mark->node))
	{
		explain_show_node(mark->node->prediction, print_at(rw, indent));
		insert_printed(rw, end);
	}
	if (mark->node->answer == NULL || (next->at != NULL && next->node->answer == mark->node->answer))
		return;
	if (rw->output->format == EXPLAIN_FORMAT_TEXT)
		end = text_query_end(end, next->at);
	else
		end = structured_end(rw, mark->at, words->query_indent, words->query_ends,
							 lengthof(words->query_ends));
	explain_show_plan(mark->node->answer, print_at(rw, words->query_indent));
	insert_printed(rw, end);
}

/* The beginning of the line of the first node. */
static const char *
first_text_line(Rewriter *rw)
{
	const char *mark = rw->marks[0].at;
	const char *line = rw->text;
	const char *after;

	while (mark != NULL && (after = text_line_end(line, mark)) <= mark && after > line)
		line = after;
	return line;
}

void
explain_rewrite(MarkedOutput *output, const char *text, StringInfo result)
{
	Rewriter	rw = {0};
	const char *line;

	rw.output = output;
	rw.words = &words_of[output->format];
	rw.text = rw.copied = text;
	rw.result = result;
	rw.es = NewExplainState();
	rw.es->format = output->format;
	find_marks(&rw);
	line = first_text_line(&rw);
	for (const Mark *mark = rw.marks; mark->at != NULL; mark = next_width(mark))
		rewrite_node(&rw, mark, &line);
	copy_to(&rw, text + strlen(text));
}

#endif
