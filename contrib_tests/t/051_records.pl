# What a record says of one execution beyond what EXPLAIN prints: that generic and custom plans are one
# plan, what did not run to its end, what is known of relations, indexes, memory and settings; and what
# predictor.import_plan() takes and refuses.
use strict;
use warnings FATAL => 'all';

use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# bits of actual_flags, and of an execution's flags
my ($never_executed, $partial) = (0x0100, 0x1000);
my ($timed_out, $statement_partial) = (0x0001, 0x0002);

my $node = PostgreSQL::Test::Cluster->new('records');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
predictor.operator_sample_rate = 1
predictor.max_captures_per_second = 1000000
max_parallel_workers_per_gather = 0
max_parallel_workers = 4
autovacuum = off
EOC
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION predictor');
$node->safe_psql('postgres', <<'EOS');
CREATE TABLE item (id int PRIMARY KEY, kind int, name text);
INSERT INTO item SELECT g, g % 50, 'item ' || g FROM generate_series(1, 20000) g;
CREATE INDEX item_kind ON item (kind);
CREATE TABLE sale (id int PRIMARY KEY, item int, amount int);
INSERT INTO sale SELECT g, g % 100, g % 7 FROM generate_series(1, 20000) g;
CREATE TABLE empty (id int);
VACUUM ANALYZE;
EOS
$node->poll_query_until('postgres',
	'SELECT 1; SELECT predictor.flush(); SELECT count(*) > 0 FROM predictor.execution', "1\nt\nt")
  or BAIL_OUT('nothing is captured');



# Runs the statements, of which those between "capture on" and "off" are captured; returns what was
# stored of them, each as a hash of arrays.
sub captured
{
	my ($sql) = @_;
	$sql =~ s/-- on\n/SET predictor.capture = operators;\n/g;
	$sql =~ s/-- off\n/SET predictor.capture = off;\n/g;
	my $output = $node->safe_psql('postgres', <<"EOS");
SET predictor.capture = off;
SELECT 'before ' || coalesce(max(id), 0) FROM predictor.execution WHERE predictor.flush();
SET client_min_messages = error;
$sql
SET predictor.capture = off;
SELECT predictor.flush();
SELECT 'record ' || jsonb_build_object('signature', signature::text, 'constants', e.constants::text,
	'flags', e.flags, 'operators', (SELECT array_agg(predictor.operator_name(o) ORDER BY n)
		FROM unnest(p.operator) WITH ORDINALITY u (o, n)), 'execution', to_jsonb(e))::text
	FROM predictor.execution e JOIN predictor.plan p USING (signature)
	WHERE id > (SELECT mark FROM last_mark) ORDER BY id;
UPDATE last_mark SET mark = (SELECT coalesce(max(id), 0) FROM predictor.execution);
EOS
	return map { decode_json($_) } $output =~ /^record (.*)$/mg;
}

$node->safe_psql('postgres',
	'SET predictor.capture = off; SELECT predictor.flush(); CREATE TABLE last_mark AS SELECT max(id) AS mark FROM predictor.execution');

sub position_of
{
	my ($record, $operator) = @_;
	my ($at) = grep { $record->{operators}[$_] eq $operator } 0 .. $#{ $record->{operators} };
	defined $at or die "no $operator in " . join(', ', @{ $record->{operators} });
	return $at;
}

sub fact { my ($record, $operator, $column) = @_; return $record->{execution}{$column}[ position_of($record, $operator) ]; }
sub is_partial { return (fact(@_, 'actual_flags') & $partial) != 0; }

# --- generic and custom plans ---

my @executions = captured(<<'EOS');
PREPARE lookup (int, int, text, numeric) AS
	SELECT count(*) FROM item WHERE id IN ($1, $2, 7) AND name <> $3 AND kind < $4;
-- on
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 4, 'x', 5.50);
EXECUTE lookup (3, 5, 'x', 5.50);
-- off
SELECT generic_plans || ' generic, ' || custom_plans || ' custom' FROM pg_prepared_statements;
EOS
is(scalar(@executions), 7, 'seven executions of a prepared statement are captured');
is(scalar(keys %{ { map { $_->{signature} => 1 } @executions } }), 1, 'custom and generic plans have one signature');
is(scalar(keys %{ { map { $_->{constants} => 1 } @executions[ 0 .. 5 ] } }), 1,
	'five custom executions and a generic one have the same constants');
isnt($executions[6]{constants}, $executions[5]{constants}, 'another parameter gives other constants');

my ($custom, $generic) = captured(<<'EOS');
PREPARE many (int[], text) AS SELECT * FROM item WHERE id = ANY ($1) AND name LIKE $2;
SET plan_cache_mode = force_custom_plan;
-- on
EXECUTE many ('{1,2,3}', 'item%');
-- off
SET plan_cache_mode = force_generic_plan;
-- on
EXECUTE many ('{1,2,3}', 'item%');
EOS
is($generic->{constants}, $custom->{constants}, 'a bound array has the constants of a literal one');

# What a custom plan has as a constant since the planner evaluated it, a generic plan has as an expression.
foreach my $case (
	[ 'arithmetic, days and texts', 'int, text, int8, date', "kind = \$1 + 1 AND name <> \$2 || '7' AND id < \$1::int8 * 10 - \$3 AND date '2020-01-01' + id > \$4 - 30",
		"7, 'item 1', 5, '2020-03-01'", 1 ],
	[ 'other functions', 'int', 'kind = abs($1)', '-7', 0 ])
{
	my ($what, $types, $condition, $values, $same_constants) = @$case;
	my ($folded, $kept) = captured(<<"EOS");
PREPARE folded ($types) AS SELECT count(*) FROM item WHERE $condition;
SET enable_indexscan = off; SET enable_bitmapscan = off;
SET plan_cache_mode = force_custom_plan;
-- on
EXECUTE folded ($values);
-- off
SET plan_cache_mode = force_generic_plan;
-- on
EXECUTE folded ($values);
EOS
	is($kept->{signature}, $folded->{signature}, "$what: one signature whether the planner folded it or not");
	is($kept->{constants}, $folded->{constants}, "$what: and the same constants") if $same_constants;
}

# --- what did not run to its end ---

my ($limited) = captured("-- on\nSELECT * FROM item ORDER BY id LIMIT 10;\n");
ok(is_partial($limited, 'Index Scan'), 'a scan that a Limit stopped is partial');
ok(!is_partial($limited, 'Limit'), 'the Limit itself is not');
my ($unlimited) = captured("-- on\nSELECT * FROM item WHERE id < 5 LIMIT 10;\n");
ok(!is_partial($unlimited, 'Index Scan'), 'a scan that ended before the Limit is not partial');
my ($sorted) = captured("-- on\nSELECT * FROM item ORDER BY name LIMIT 10;\n");
ok(is_partial($sorted, 'Sort'), 'a Sort that a Limit stopped is partial');
ok(!is_partial($sorted, 'Seq Scan'), 'what the Sort read before is not');
my ($cursor) = captured(
	"BEGIN;\n-- on\nDECLARE c CURSOR FOR SELECT * FROM item;\nFETCH 5 FROM c;\nCLOSE c;\n-- off\nCOMMIT;\n");
ok($cursor->{flags} & $statement_partial, 'a cursor that was left is a partial statement');
ok(is_partial($cursor, 'Seq Scan'), 'and its scan a partial node');
my ($never) = captured(<<'EOS');
SET enable_nestloop = off; SET enable_mergejoin = off;
-- on
SELECT * FROM item i JOIN empty e ON e.id = i.id;
EOS
ok((grep { $_ & $never_executed } @{ $never->{execution}{actual_flags} }) >= 1,
	'the side that a join with nothing never asked for is marked');
my ($merged) = captured(<<'EOS');
SET enable_hashjoin = off; SET enable_nestloop = off;
-- on
SELECT count(*) FROM item i JOIN sale s ON s.id = i.id WHERE s.id < 100;
EOS
is(scalar(grep { $_ & $partial } @{ $merged->{execution}{actual_flags} }), 1,
	'of a merge join\'s sides the one that was left is partial');
my ($semi) = captured(<<'EOS');
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_hashagg = off; SET enable_sort = off; SET enable_material = off;
-- on
SELECT count(*) FROM item i WHERE i.id < 5 AND EXISTS (SELECT 1 FROM sale s WHERE s.item % 7 = i.kind % 7);
EOS
ok(is_partial($semi, 'Seq Scan'), 'the inner side of a semijoin stops at the first match');

my ($cancelled) = captured(<<'EOS');
SET statement_timeout = '300ms';
\set ON_ERROR_STOP 0
-- on
SELECT count(*) FROM item a, item b WHERE a.name < b.name;
-- off
\set ON_ERROR_STOP 1
RESET statement_timeout;
EOS
ok($cancelled->{flags} & $timed_out, 'a statement that was cancelled is recorded');
is(scalar(grep { !($_ & $partial) } @{ $cancelled->{execution}{actual_flags} }), 0, 'and all of its nodes are partial');

# --- what is known before ---

my ($lookup) = captured("SET work_mem = '8MB'; SET enable_seqscan = off; SET random_page_cost = 1.5;\n"
	  . "-- on\nSELECT * FROM item WHERE id = 42;\n");
is(fact($lookup, 'Index Scan', 'index_height'), 2, 'the height of a B-tree is known');
cmp_ok(fact($lookup, 'Index Scan', 'index_pages'), '>', 10, 'and its pages');
is(fact($lookup, 'Index Scan', 'all_visible'), 1, 'the share of all-visible pages is known');
cmp_ok(abs(fact($lookup, 'Index Scan', 'selectivity') - 1 / 20000), '<', 1e-6, 'the selectivity is known');
is($lookup->{execution}{work_mem}, 8192, 'work_mem is known');
is($lookup->{execution}{switches}, 1, 'enable_seqscan is known to be off');
is($lookup->{execution}{random_page_cost}, 1.5, 'random_page_cost is known');
cmp_ok($lookup->{execution}{active_backends}, '>=', 1, 'at least one backend is active');
like($lookup->{execution}{hit_share}, qr/^(0(\.\d+)?(e-\d+)?|1)$/, 'the share of buffer hits is a share');
my ($batched) = captured("SET work_mem = '64kB'; SET enable_mergejoin = off; SET enable_nestloop = off;\n"
	  . "-- on\nSELECT count(*) FROM item i JOIN sale s ON s.id = i.id;\n");
cmp_ok(fact($batched, 'Hash', 'planned_batches'), '>', 1, 'a hash table that does not fit is planned in batches');
cmp_ok(fact($batched, 'Hash', 'actual_batches'), '>=', fact($batched, 'Hash', 'planned_batches'),
	'and has at least as many');

my ($above, $beside) = captured(<<'EOS');
-- on
SELECT * FROM item WHERE name LIKE '%77%' ORDER BY kind;
SELECT count(*) FROM item WHERE name LIKE '%88%';
EOS
my ($one, $other) = map {
	$node->safe_psql('postgres', "SET predictor.capture = off; SELECT subplan FROM predictor.plan_nodes "
		  . "WHERE execution = $_->{execution}{id} AND operator = 'Seq Scan'")
} $above, $beside;
is($one, $other, 'a part that two plans have in common has one signature in both');
isnt($above->{signature}, $beside->{signature}, 'while the plans have two');

# --- parallel plans ---

my ($parallel) = captured(<<'EOS');
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
-- on
SELECT count(*) FROM item WHERE name LIKE '%7%';
EOS
my ($loops, $total, $wall) = map { fact($parallel, 'Seq Scan', $_) } qw(actual_loops actual_total actual_wall);
is($loops, 1 + fact($parallel, 'Gather', 'workers_launched'), 'a parallel scan loops once in each participant');
cmp_ok($wall, '>=', 0.999 * $total, 'its wall-clock time is at least the mean');
cmp_ok($wall, '<=', 1.001 * $total * $loops, 'and at most the sum over its participants');

# --- transition tables ---

$node->safe_psql('postgres', <<'EOS');
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
	'BEGIN PERFORM count(*) FROM changed WHERE kind > 3; RETURN NULL; END';
CREATE TRIGGER look AFTER UPDATE ON item REFERENCING NEW TABLE AS changed
	FOR EACH STATEMENT EXECUTE FUNCTION look();
EOS
my @nested = captured("SET predictor.track = 'all';\n-- on\nUPDATE item SET kind = kind WHERE id < 10;\n");
is(scalar(grep { grep { $_ eq 'Named Tuplestore Scan' } @{ $_->{operators} } } @nested), 1,
	'a scan of a transition table is captured');
my ($update) = grep { $_->{operators}[0] eq 'ModifyTable' } @nested;
cmp_ok($update->{execution}{trigger_time}, '>', 0, 'the time of triggers is measured');

# --- importing ---

sub import_error
{
	my ($plan) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', "SELECT predictor.import_plan('$plan')");
	return $err;
}

like(import_error('{}'), qr/no plan that EXPLAIN.*no "Plan" with a "Node Type"/s, 'what is no plan is refused');
like(import_error('{"Plan": {"Node Type": "Result", "Total Cost": -1}, "Execution Time": 1}'),
	qr/negative or not a number/, 'nor a negative cost');
like(import_error('{"Plan": {"Node Type": "Result"}}'), qr/no "Execution Time"/, 'a plan that was not executed is refused');
my $imported = '[{"Plan": {"Node Type": "Result", "Actual Rows": 1.00, "Actual Loops": 1}, "Execution Time": 1.5}]';
my ($record) = captured("BEGIN;\nSELECT predictor.import_plan('$imported');\nROLLBACK;\n");
is($record->{execution}{total_time}, 1.5, 'an imported plan is stored, also if the transaction is rolled back');
$node->safe_psql('postgres', 'CREATE ROLE nobody LOGIN');
my ($rc, $out, $err) = $node->psql('postgres', "SELECT predictor.import_plan('$imported')", extra_params => [ '-U', 'nobody' ]);
like($err, qr/permission denied/, 'and not everybody may import');

done_testing();
