# What happens to statements, and to what is recorded of them, when something breaks: statements that fail in every kind of
# node, killed backends and workers, memory and disk that are full, a server that is stopped at once.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

# Small rings, queues and hashes, to be filled.
my $node = new_server('main',
	"predictor.ring_size = 256kB\npredictor.queue_size = 1MB\npredictor.max_plans = 64\nrestart_after_crash = on\n");
my ($code, $out, $err);

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT g, g % 10, 'row ' || g FROM generate_series(1, 20000) g;
CREATE INDEX ON t (a);
CREATE TABLE victim (id int);
CREATE TABLE part (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10000);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10000) TO (30000);
INSERT INTO part SELECT g, g FROM generate_series(1, 20000) g;
-- slow and failing expressions for any place in a plan
CREATE FUNCTION slow(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS
  'BEGIN PERFORM pg_sleep(0.05); RETURN i; END';
CREATE FUNCTION fails(i int) RETURNS int LANGUAGE plpgsql VOLATILE AS
  'BEGIN IF i > 50 THEN RAISE EXCEPTION $$at %$$, i; END IF; RETURN i; END';
CREATE TABLE watched (id int, a int);
INSERT INTO watched SELECT g, g FROM generate_series(1, 100) g;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN EXECUTE $$SELECT count(*) FROM changed WHERE $$ || current_setting($$my.condition$$) || $$ > 0$$; RETURN NULL; END';
CREATE TRIGGER look AFTER UPDATE ON watched REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION look();
CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
ANALYZE;
EOS
my $lines = $node->basedir . '/lines.txt';
append_to_file($lines, join '', map { "$_\n" } 1 .. 200);
$node->safe_psql('postgres', "CREATE FOREIGN TABLE lines (id int) SERVER files OPTIONS (filename '$lines')");

# --- an error and a timeout in every kind of node, at every level of instrumentation ---

# %s is a call of slow() or fails() on an integer.
my @plans = (
	[ 'Seq Scan', 'SELECT count(*) FROM t WHERE %s > 0', 'id' ],
	[ 'Index Scan', 'SELECT count(*) FROM t WHERE id < 5000 AND %s > 0', 'id' ],
	[ 'Bitmap Heap Scan', 'SET enable_indexscan = off; SET enable_seqscan = off; SELECT count(*) FROM t WHERE a = 3 AND %s > 0', 'id' ],
	[ 'Index Only Scan', 'SET enable_seqscan = off; SELECT count(*) FROM (SELECT id FROM t WHERE id > 0 AND %s > 0) s', 'id' ],
	[ 'Tid Scan', "SELECT * FROM t WHERE ctid = ANY ((SELECT array_agg(ctid) FROM t)::tid[]) AND %s > 0", 'id' ],
	[ 'Nested Loop', 'SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(*) FROM t JOIN t u ON %s < u.id', 't.id' ],
	[ 'Hash Join', 'SET enable_mergejoin = off; SET enable_nestloop = off; SELECT count(*) FROM t JOIN t u ON t.id = u.id AND %s + u.a > 0', 't.id' ],
	[ 'Hash', 'SET enable_mergejoin = off; SET enable_nestloop = off; SELECT count(*) FROM t JOIN (SELECT id FROM t WHERE %s > 0) u ON t.id = u.id', 'id' ],
	[ 'Merge Join', 'SET enable_hashjoin = off; SET enable_nestloop = off; SELECT count(*) FROM t JOIN t u ON t.id = u.id AND %s + u.a > 0', 't.id' ],
	[ 'Sort', 'SELECT * FROM t ORDER BY %s LIMIT 5', 'id' ],
	[ 'Incremental Sort', 'SELECT id FROM t ORDER BY id, %s', 'id' ],
	[ 'Aggregate', 'SELECT a, sum(%s) FROM t GROUP BY a', 'id' ],
	[ 'WindowAgg', 'SELECT sum(%s) OVER (ORDER BY id) FROM t', 'id' ],
	[ 'Append', 'SELECT count(*) FROM part WHERE %s > 0', 'v' ],
	[ 'Gather', 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; '
		. 'SELECT count(*) FROM t WHERE t.a > (SELECT min(%s) FROM generate_series(1, 100) x)', 'x' ],
	[ 'CTE Scan', 'WITH c AS MATERIALIZED (SELECT id FROM t WHERE %s > 0) SELECT count(*) FROM c', 'id' ],
	[ 'Recursive Union', 'WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT %s + 1 FROM r WHERE n < 1000) SELECT count(*) FROM r', 'n' ],
	[ 'SubPlan', 'SELECT (SELECT %s FROM t u WHERE u.id = t.id) FROM t', 't.id' ],
	[ 'InitPlan', 'SELECT count(*) FROM t WHERE id < (SELECT sum(%s) FROM t u)', 'u.id' ],
	[ 'Function Scan', 'SELECT count(*) FROM generate_series(1, 1000) g WHERE %s > 0', 'g' ],
	[ 'Values Scan', 'SELECT * FROM (VALUES ' . join(', ', map { "($_)" } 1 .. 100) . ') v (x) WHERE %s > 0', 'x' ],
	[ 'SetOp', 'SELECT %s FROM t EXCEPT SELECT a FROM t', 'id' ],
	[ 'Memoize', 'SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(*) FROM t JOIN t u ON u.id = t.a AND %s > 0', 't.id' ],
	[ 'ModifyTable', 'UPDATE t SET b = %s::text', 'id' ],
	[ 'Insert', 'INSERT INTO victim SELECT %s FROM t', 'id' ],
	[ 'LockRows', 'SELECT %s FROM t FOR UPDATE', 'id' ],
	[ 'Limit', 'SELECT %s FROM t LIMIT 1000', 'id' ],
	[ 'Result', 'SELECT ' . join(' + ', ('%s') x 20), '99' ],
	[ 'ProjectSet', 'SELECT generate_series(1, %s) FROM t', 'id' ],
	[ 'Bitmap Or', 'SET enable_indexscan = off; SET enable_seqscan = off; SELECT count(*) FROM t WHERE (a = 3 OR id < 100) AND %s > 0', 'id' ],
	[ 'Group', 'SET enable_hashagg = off; SELECT a FROM t GROUP BY a, id HAVING %s > 0', 'id' ],
	[ 'Unique', 'SET enable_hashagg = off; SELECT DISTINCT %s FROM t', 'id' ],
	[ 'Merge Append', 'SELECT %s FROM ((SELECT id FROM t ORDER BY id) UNION ALL (SELECT id FROM t u ORDER BY id) ORDER BY id) s', 'id' ],
	[ 'Materialize', 'SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(*) FROM (SELECT 1 FROM t LIMIT 2) x, (SELECT v FROM part WHERE %s > 0) y', 'v' ],
	[ 'Sample Scan', 'SELECT count(*) FROM t TABLESAMPLE SYSTEM (100) WHERE %s > 0', 'id' ],
	[ 'Tid Range Scan', "SELECT count(*) FROM t WHERE ctid < '(50,0)' AND %s > 0", 'id' ],
	[ 'Table Function Scan', "SELECT x FROM XMLTABLE('/r/i' PASSING (SELECT xmlelement(name r, xmlagg(xmlelement(name i, g))) FROM generate_series(1, 200) g) "
		. "COLUMNS x int PATH '.') WHERE %s > 0", 'x' ],
	[ 'Subquery Scan', 'SELECT count(*) FROM (SELECT id, a FROM t ORDER BY id LIMIT 5000) s WHERE %s > 0', 'id' ],
	[ 'Gather Merge', 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2; '
		. 'SELECT %s FROM (SELECT id FROM t ORDER BY b OFFSET 0) s', 'id' ],
	[ 'Foreign Scan', 'SELECT count(*) FROM lines WHERE %s > 0', 'id' ],
	[ 'Custom Scan', "LOAD '$ENV{PREDICTOR_CUSTOM_SCAN}'; SET custom_scan.mode = child; SELECT count(*) FROM t WHERE %s > 0", 'id' ],
	[ 'Named Tuplestore Scan', "SET my.condition = '%s'; UPDATE watched SET a = a", 'id' ]);

my $before = counters($node);
my $runs = 0;
foreach my $plan (@plans)
{
	my ($kind, $template, $column) = @$plan;
	foreach my $rate (0, 1)
	{
		my $reset = "SET predictor.operator_sample_rate = $rate";
		(my $failing = $template) =~ s/%s/fails($column)/g;
		(my $slow = $template) =~ s/%s/slow($column)/g;
		($code, $out, $err) = $node->psql('postgres', "$reset; $failing");
		like($err, qr/^psql:<stdin>:1: ERROR:  at 5?\d+$|ERROR:  at \d+/m, "$kind, rate $rate: an error is the statement's own") or diag("$out$err");
		($code, $out, $err) = $node->psql('postgres', "$reset; SET statement_timeout = '200ms'; $slow");
		like($err, qr/canceling statement due to statement timeout/, "$kind, rate $rate: so is a timeout");
		$runs++;
	}
}
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'what was cancelled is stored');
my $after = counters($node);
is($after->{failed_statements} - $before->{failed_statements}, $runs, 'failed statements are counted');
is($after->{cancelled_statements} - $before->{cancelled_statements}, $runs, 'cancelled statements are counted')
	or diag(join ', ', map { "$_ +" . ($after->{$_} - $before->{$_}) } grep { $after->{$_} != $before->{$_} } sort keys %$after);
is($after->{captured} - $before->{captured} - ($after->{not_sampled} - $before->{not_sampled}), $after->{captured} - $before->{captured},
	'and all of them were wanted');
is($node->safe_psql('postgres', 'SELECT count(*), count(*) FILTER (WHERE total_time >= 150) FROM predictor.execution WHERE flags & 1 <> 0'),
	"$runs|$runs", 'each is a censored record with the time it had');
is($node->safe_psql('postgres', 'SELECT count(DISTINCT instrumentation) FROM predictor.execution WHERE flags & 1 <> 0'),
	'2', 'with and without measured nodes');

# pg_cancel_backend is the same
my $session = open_session($node, 'postgres');
session_send($session, 'SELECT count(*) FROM t WHERE slow(id) > 0');
ok(wait_for_sql($node, 'postgres', "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = $session->{pid} AND state = 'active'"),
	'a statement is cancelled');
session_ask($session, 'SELECT 1');
session_close($session);
is($node->safe_psql('postgres', 'SELECT predictor.flush(); SELECT count(*) FROM predictor.execution WHERE flags & 1 <> 0'),
	"t\n" . ($runs + 1), 'and recorded');

# A plan that is always fast is not described each time; cancelled while it waits for a lock, it is recorded all the same,
# from what is remembered of it and without constants.
$node->safe_psql('postgres', 'ALTER SYSTEM SET predictor.max_captures_per_second = 1; SELECT pg_reload_conf()');
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.max_captures_per_second', '1'), 'one capture a second');
my $locker = open_session($node, 'postgres', '-c predictor.enabled=off');
session_ask($locker, 'BEGIN; SELECT * FROM t WHERE id = 4711 FOR UPDATE');
$before = counters($node);
my $fast = join ";\n", map { "SELECT a FROM t WHERE id = $_ FOR UPDATE" } 1 .. 300;
ok(wait_for(sub {
	# now and then it is this one that is wanted
	$node->psql('postgres', "$fast;\nSET statement_timeout = '2s'; SELECT a FROM t WHERE id = 4711 FOR UPDATE");
	$node->safe_psql('postgres', "SET predictor.enabled = off; SELECT predictor.flush(); SELECT count(*) > 0 FROM predictor.execution "
		. 'WHERE flags & 1 <> 0 AND key_id = 0 AND constants = 0 AND total_time >= 1500 AND signature = (SELECT signature FROM predictor.execution JOIN predictor.plan p USING (signature) '
		. "WHERE key_id <> 0 AND predictor.operator_name(p.operator[1]) = 'LockRows' AND cardinality(p.operator) = 2 ORDER BY id DESC LIMIT 1)") eq "t\nt";
}), 'a fast statement that waits and is cancelled is recorded, under the signature of its plan');
session_ask($locker, 'COMMIT');
session_close($locker);
is(counters($node)->{cancelled_not_described} - $before->{cancelled_not_described}, 0, 'none was missing');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET predictor.max_captures_per_second; SELECT pg_reload_conf()');
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.max_captures_per_second', '100000'), 'and all of them again');

# --- memory that cannot be had, at each of the places where we ask for it ---

$before = counters($node);
foreach my $nth (1 .. 4)
{
	my $fail = "SET predictor.fail_allocations = $nth";
	is($node->safe_psql('postgres', "$fail; SELECT a FROM t WHERE id = 5; SELECT count(*) FROM t WHERE a = 5"), "5\n2000", "allocation $nth fails: statements do not");
	($code, $out, $err) = $node->psql('postgres', "$fail; SET statement_timeout = '100ms'; SELECT count(*) FROM t WHERE slow(id) > 0");
	like($err, qr/canceling statement due to statement timeout/, 'nor does a timeout change');
}
cmp_ok(counters($node)->{dropped_no_memory}, '>', $before->{dropped_no_memory}, 'what is missing for that is counted');
# the launcher's queues
$node->safe_psql('postgres', 'ALTER SYSTEM SET predictor.fail_allocations = -1; SELECT pg_reload_conf()');
ok(wait_for(sub {
	# our own session must not be short of memory, or nothing reaches the launcher
	$node->safe_psql('postgres', 'SET predictor.fail_allocations = 0; SELECT b FROM t WHERE id = 6');
	counters($node)->{dropped_queue_full} > $before->{dropped_queue_full};
}), 'a launcher without memory drops and counts');
$node->safe_psql('postgres', 'ALTER SYSTEM RESET predictor.fail_allocations; SELECT pg_reload_conf()');
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'and goes on when there is some');

# --- what is full ---

# Half a part of this small ring has room for some two hundred nodes.
$before = counters($node);
$node->safe_psql('postgres', 'SELECT cardinality(ARRAY[' . join(', ', ('(SELECT 1 OFFSET 0)') x 500) . '])');
$after = counters($node);
is($after->{dropped_too_large} - $before->{dropped_too_large}, 1, 'a record that is too large for the ring is counted');

$before = counters($node);
$node->safe_psql('postgres', join '', map { "SELECT $_ + " . join(' + ', map { "count(*) FILTER (WHERE g = $_)" } 1 .. $_) . " FROM generate_series(1, 2) g;\n" } 1 .. 200);
$after = counters($node);
cmp_ok($after->{plans_evicted}, '>', $before->{plans_evicted}, 'a full hash of plans gives the oldest away');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM predictor.aggregates()'), '<=', 64, 'and has the size it was given');

# The launcher is stopped, so nobody takes records out of the ring.
my $launcher = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'predictor launcher'");
kill 'STOP', $launcher;
$before = counters($node);
$node->safe_psql('postgres', "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM count(*) FROM t WHERE id = i; END LOOP; END'; SET predictor.track = 'all'; "
	. "DO 'BEGIN FOR i IN 1..5000 LOOP PERFORM count(*) FROM t WHERE id = i; END LOOP; END'");
$after = counters($node);
cmp_ok($after->{dropped_ring_full}, '>', $before->{dropped_ring_full}, 'a full ring drops and counts, and statements go on');
kill 'CONT', $launcher;
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'what was in the ring is stored when the launcher goes on');

# Somebody holds a lock on the history: the queue fills, and is stored when the lock has gone.
$session = open_session($node, 'postgres', '-c predictor.enabled=off');
session_ask($session, 'BEGIN; LOCK TABLE predictor.execution');
$before = counters($node);
ok(wait_for(sub {
	$node->safe_psql('postgres', "SET predictor.track = 'all'; DO 'BEGIN FOR i IN 1..1000 LOOP PERFORM count(*) FROM t WHERE id = i; END LOOP; END'");
	counter($node, 'dropped_queue_full') > $before->{dropped_queue_full};
}), 'a full queue drops and counts, and statements go on');
session_ask($session, 'COMMIT');
session_close($session);
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'what was in the queue is stored when the lock has gone');

# --- what is killed ---

# A backend: shared memory is made anew, what is stored stays, and what comes is stored.
# Workers do not wait for WAL to reach the disk; any commit that does takes theirs along.
my $count = 'SET predictor.enabled = off; CREATE TABLE durable (); DROP TABLE durable; SELECT count(*) FROM predictor.executions';
my $stored = $node->safe_psql('postgres', $count);
$session = open_session($node, 'postgres');
session_send($session, 'SELECT count(*) FROM t WHERE slow(id) > 0');
ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $session->{pid} AND state = 'active'", '1'), 'a statement runs');
kill 'KILL', $session->{pid};
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'after kill -9 of its backend the server is back');
$session->{run}->kill_kill;
is($node->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions'), $stored, 'with all that was stored');
$node->safe_psql('postgres', 'SELECT a FROM t WHERE id = 77; SELECT predictor.flush()');
cmp_ok($node->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions'), '>', $stored, 'and stores again');

# A launcher that is terminated comes back; a collector's rest goes to the next.
$launcher = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'predictor launcher'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher)");
ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'predictor launcher' AND pid <> $launcher", '1'),
	'a launcher that is terminated comes back');
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'and flushes');
$session = open_session($node, 'postgres', '-c predictor.enabled=off');
session_ask($session, 'BEGIN; LOCK TABLE predictor.execution');
$before = counters($node);
ok(wait_for(sub {
	$node->safe_psql('postgres', "SELECT b FROM t WHERE id = 79; SELECT pg_sleep(0.6); SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'predictor launcher'");
	counters($node)->{dropped_by_worker} > $before->{dropped_by_worker};
}), 'what waits in the queues of a launcher that is terminated is counted as dropped');
session_ask($session, 'COMMIT');
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'and what comes then is stored');
session_ask($session, 'BEGIN; LOCK TABLE predictor.execution');
$before = counters($node);
$node->safe_psql('postgres', 'SELECT b FROM t WHERE id = 78');
ok(wait_for_sql($node, 'postgres', "SELECT count(*) > 0 FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'predictor collector' AND wait_event_type = 'Lock') s"),
	'a collector is terminated while it waits');
session_ask($session, 'COMMIT');
session_close($session);
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'another one takes over');
$after = counters($node);
is($after->{flushed} - $before->{flushed}, $after->{captured} - $before->{captured}, 'and nothing is lost');

# Immediate stop: what is stored is what was flushed.
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'everything is flushed');
$stored = $node->safe_psql('postgres', $count);
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions'), $stored, 'an immediate stop loses nothing that was flushed');
ok(wait_for_sql($node, 'postgres', 'SELECT predictor.flush()'), 'and collection begins again');

# --- a full disk ---

SKIP:
{
	my $small = $ENV{PREDICTOR_SMALL_DISK};
	skip 'a small file system of our own needs root', 7 unless $small;

	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$small'");
	$node->safe_psql('postgres', 'CREATE DATABASE small TABLESPACE small');
	$node->safe_psql('small', 'CREATE EXTENSION predictor; SELECT predictor.flush(); CREATE TABLE filler (b text); ALTER TABLE filler ALTER b SET STORAGE EXTERNAL');
	my $log = -s $node->logfile;
	foreach my $rows (1000, 100, 10, 1)
	{
		1 while $node->psql('small', "INSERT INTO filler SELECT repeat(md5(g::text), 200) FROM generate_series(1, $rows) g") == 0;
	}
	$before = counters($node);
	ok(wait_for(sub {
		my ($c, $o) = $node->psql('small', join '', map { "SELECT $_ + count(*) FROM generate_series(1, $_);\n" } 1 .. 300);
		$c == 0 && counter($node, 'flush_failures') > $before->{flush_failures} + 1;
	}), 'with a full disk storing fails and is counted, and statements go on');
	my $said = slurp_file($node->logfile, $log);
	my $warnings = () = $said =~ /WARNING:  history of database \d+ is not stored: .*No space left on device/g;
	# while the disk was being filled, there may have been room once more
	my $recoveries = () = $said =~ /LOG:  history of database \d+ is stored again/g;
	is($warnings - $recoveries, 1, 'one warning says so, though it was tried again');
	$log = -s $node->logfile;
	is($node->safe_psql('postgres', 'SELECT 9 + 9'), '18', 'other databases go on');
	$node->safe_psql('small', 'DROP TABLE filler');
	ok(wait_for_sql($node, 'small', 'SELECT predictor.flush()'), 'when there is room again, history is stored again');
	like(slurp_file($node->logfile, $log), qr/LOG:  history of database \d+ is stored again/, 'which is said, too');
	cmp_ok($node->safe_psql('small', 'SELECT count(*) FROM predictor.executions'), '>', 0, 'records that waited are there');
	is($node->psql('postgres', 'DROP DATABASE small'), 0, 'and the database can be dropped');
	$node->safe_psql('postgres', 'DROP TABLESPACE small');
}
$node->stop;
done_testing();
