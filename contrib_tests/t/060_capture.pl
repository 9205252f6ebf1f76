# What is recorded is what happened: measured against EXPLAIN ANALYZE and pg_stat_statements; who is never recorded; what large
# plans, other libraries, odd encodings and slow clients do; and no literal of anybody's anywhere.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('main', "predictor.operator_sample_rate = 1\nshared_preload_libraries = 'pg_stat_statements,predictor'\n",
	allows_streaming => 'logical');
my ($code, $out, $err);

$node->safe_psql('postgres', <<'EOS');
CREATE EXTENSION pg_stat_statements;
CREATE TABLE t (id int PRIMARY KEY, a int, b text);
INSERT INTO t SELECT g, g % 10, 'row ' || g FROM generate_series(1, 20000) g;
CREATE INDEX ON t (a);
CREATE TABLE part (id int, v int) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10000);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10000) TO (30000);
INSERT INTO part SELECT g, g FROM generate_series(1, 20000) g;
ANALYZE;
EOS

sub sql { return $node->safe_psql('postgres', join ";\n", 'SET predictor.enabled = off', @_) }

# --- actuals are those of EXPLAIN ANALYZE of the same execution ---

my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; '
  . 'SET max_parallel_workers_per_gather = 2';
my @statements = (
	'SELECT count(*) FROM t WHERE a = 3',
	'SELECT t.a, count(*) FROM t JOIN part p ON p.id = t.id WHERE p.v < 5000 GROUP BY t.a ORDER BY 2',
	'SET enable_hashjoin = off; SET enable_mergejoin = off; SELECT count(*) FROM (SELECT * FROM t WHERE id < 100) x JOIN t u ON u.id = x.a',
	'WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 100) SELECT sum(n) FROM r',
	'SELECT id, (SELECT count(*) FROM part p WHERE p.id = t.id) FROM t WHERE id < 20',
	'SELECT * FROM t WHERE id = 5 AND a < 0 LIMIT 1',
	'SELECT * FROM t ORDER BY b LIMIT 7',
	'UPDATE t SET b = b WHERE id < 50',
	'INSERT INTO part SELECT id, a FROM t WHERE id < 200',
	'DELETE FROM part WHERE v = 77',
	"$parallel; SELECT a, count(*) FROM t GROUP BY a",
	"$parallel; SELECT count(*) FROM t JOIN part p ON p.id = t.id");

# The nodes of EXPLAIN's output in its own order.
sub nodes_of
{
	my ($node) = @_;
	return ($node, map { nodes_of($_) } @{ $node->{Plans} // [] });
}

foreach my $statement (@statements)
{
	my ($settings, $query) = $statement =~ /^(.*; )?(.*)$/s;
	my $last = sql('SELECT predictor.flush()', 'SELECT coalesce(max(id), 0) FROM predictor.execution');
	$last =~ s/^t\n//;
	$out = $node->safe_psql('postgres', ($settings // '') . "EXPLAIN (ANALYZE, FORMAT JSON) $query");
	my $explained = decode_json($out)->[0];
	my @expected = map {
		my $never = $_->{'Actual Loops'} == 0;
		# EXPLAIN prints rows and times for each loop, rows as a whole number up to 17
		sprintf '%s %d %.0f %s', $_->{'Node Type'}, $_->{'Actual Loops'}, $_->{'Actual Rows'},
		  $never ? 'never' : sprintf('%.3f %.3f', $_->{'Actual Startup Time'}, $_->{'Actual Total Time'});
	} nodes_of($explained->{Plan});
	sql('SELECT predictor.flush()');
	my $recorded = sql("SELECT operator, actual_loops, CASE WHEN actual_loops = 0 THEN 0 ELSE round(actual_rows) END, "
		  . "CASE WHEN actual_loops = 0 THEN 'never' ELSE actual_startup_ms || ' ' || actual_total_ms END "
		  . "FROM predictor.plan_nodes WHERE execution = (SELECT max(id) FROM predictor.execution WHERE id > $last) ORDER BY node");
	# rounded as EXPLAIN rounds: a numeric would round halves otherwise
	my @recorded = map {
		my @fields = split /\|/, $_;
		my $times = $fields[3] eq 'never' ? 'never' : sprintf('%.3f %.3f', split / /, $fields[3]);
		join ' ', @fields[ 0 .. 2 ], $times
	} split /\n/, $recorded;
	is_deeply(\@recorded, \@expected, "actuals of: $query");
	my $total = sql("SELECT total_ms FROM predictor.executions WHERE id = (SELECT max(id) FROM predictor.execution)");
	cmp_ok($total, '<=', $explained->{'Execution Time'}, '... and its total is a part of the time that EXPLAIN prints');
	cmp_ok($total, '>=', $explained->{Plan}{'Actual Total Time'} - 0.001, '... and not less than the root\'s');
}

# --- aggregates are those of pg_stat_statements ---

sql('SELECT pg_stat_statements_reset(), predictor.forget_aggregates()');
$node->safe_psql('postgres', join ";\n", map { ("SELECT count(*) FROM t WHERE a = $_", "SELECT b FROM t WHERE id = $_ * 100", "SELECT sum(v) FROM part WHERE id > $_") } 1 .. 100);
my $compared = sql(<<'EOS');
SELECT count(*), bool_and(s.calls = a.calls), bool_and(abs(s.total_exec_time - a.total_ms) <= 0.02 * s.total_exec_time + 0.1 * s.calls)
FROM pg_stat_statements s JOIN (SELECT query_id, sum(calls) AS calls, sum(total_ms) AS total_ms FROM predictor.aggregates() GROUP BY 1) a
  ON a.query_id = s.queryid WHERE s.calls = 100
EOS
is($compared, '3|t|t', 'calls are those of pg_stat_statements, and times are close to its');

# many sessions at one plan lose no call
sql('SELECT pg_stat_statements_reset(), predictor.forget_aggregates()');
my $busy = counter($node, 'aggregates_busy');
my $script = tempdir(CLEANUP => 1) . '/script';
append_to_file($script, "SELECT b FROM t WHERE id = 7;\n");
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-t', 500, '-f', $script, 'postgres' ], 'eight sessions run one statement');
my ($calls) = split /\|/, sql("SELECT max(calls) FROM predictor.aggregates()");
is($calls + counter($node, 'aggregates_busy') - $busy, 4000, 'each execution is in its aggregate, or counted as missing');

# --- auto_explain beside us ---

my $log = -s $node->logfile;
$node->safe_psql('postgres', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_analyze = on; SET auto_explain.log_timing = off; "
	  . 'SET predictor.operator_sample_rate = 0; SELECT count(*) FROM t WHERE a = 4');
like(slurp_file($node->logfile, $log), qr/Aggregate  \(cost=\S+ rows=1 width=8\) \(actual rows=1 loops=1\)/, "auto_explain prints what it prints without us");

# --- who is never recorded ---

my $seen = counter($node, 'seen');
$node->safe_psql('postgres', "$parallel; SELECT count(*) FROM t");
is(counter($node, 'seen') - $seen, 1, 'a parallel statement is seen once: its workers are not');

my $subscriber = new_server('subscriber', '');
foreach my $server ($node, $subscriber)
{
	$server->safe_psql('postgres', "SET predictor.enabled = off; CREATE TABLE copied (id int PRIMARY KEY); "
		. "CREATE FUNCTION on_apply() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM count(*) FROM public.copied; RETURN NULL; END'; "
		. 'CREATE TRIGGER on_apply AFTER INSERT ON copied FOR EACH ROW EXECUTE FUNCTION on_apply(); ALTER TABLE copied ENABLE ALWAYS TRIGGER on_apply');
}
sql('CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION one FOR TABLE copied');
$subscriber->append_conf('postgresql.conf', "predictor.track = 'all'\nautovacuum = on\nautovacuum_naptime = 1s\nautovacuum_vacuum_insert_threshold = 10\n");
$subscriber->reload;
$subscriber->safe_psql('postgres', 'SET predictor.enabled = off; CREATE SUBSCRIPTION s CONNECTION \'' . $node->connstr . " dbname=postgres application_name=s' PUBLICATION one WITH (copy_data = false)");
$seen = counter($subscriber, 'seen');
$node->safe_psql('postgres', 'INSERT INTO copied SELECT generate_series(1, 500)');
ok(wait_for_sql($subscriber, 'postgres', 'SELECT count(*) FROM copied', '500'), 'rows are replicated');
ok(wait_for_sql($subscriber, 'postgres', 'SELECT autovacuum_count + autoanalyze_count > 0 FROM pg_stat_user_tables WHERE relname = $$copied$$'), 'autovacuum runs');
is(counter($subscriber, 'seen'), $seen, 'nor are apply workers, triggers in them, autovacuum, and our own workers');

# Our tables may be published: each has a primary key, and is written under FOR ALL TABLES.
is(sql("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'predictor' AND c.relkind IN ('r', 'p') "
	. 'AND NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)'), '0', 'every table has a primary key');
$subscriber->safe_psql('postgres', 'SET predictor.enabled = off; DROP SUBSCRIPTION s');
$subscriber->stop;

# --- one row for each plan, whatever the constants ---

sql('SELECT predictor.flush()', 'SELECT predictor.reset_history()');
$node->safe_psql('postgres', "SET predictor.track = 'all'; SET predictor.operator_sample_rate = 0; SET plan_cache_mode = force_custom_plan; "
	  . "DO 'DECLARE r record; BEGIN FOR i IN 1..20 LOOP FOR j IN 1..5000 LOOP SELECT b INTO r FROM t WHERE id = j + i * 5; END LOOP; PERFORM predictor.flush(); END LOOP; END'");
sql('SELECT predictor.flush()');
is(sql("SELECT count(*) FROM predictor.plans WHERE operator = 'Index Scan'"), '1', 'a hundred thousand executions make one plan');
cmp_ok(sql('SELECT max(calls) FROM predictor.aggregates()'), '>=', 99_000, '... whose aggregate knows them');

# --- large plans ---

# A Result with so many InitPlans of one node.
sub large_plan
{
	my ($nodes) = @_;
	return 'SELECT cardinality(ARRAY[' . join(', ', ('(SELECT 1 OFFSET 0)') x $nodes) . '])';
}

my $counted = counter($node, 'dropped_too_large');
my $captured = counter($node, 'captured');
$node->safe_psql('postgres', 'SET predictor.operator_sample_rate = 0; ' . large_plan(5000));
is(counter($node, 'dropped_too_large') - $counted, 1, 'a plan of more than 5000 nodes is counted');
$node->safe_psql('postgres', large_plan(4999));
is(counter($node, 'captured') - $captured, 1, 'one of 5000, all of them measured, is recorded');
sql('SELECT predictor.flush()');
is(sql('SELECT max(nodes) FROM predictor.plans'), '5000', '... whole');

# --- names in every encoding ---

foreach my $encoding (qw(LATIN1 SQL_ASCII EUC_JP UTF8))
{
	my $name = { LATIN1 => "gr\xf6\xdfe", SQL_ASCII => "\xff\xfe\x80", EUC_JP => "\xc6\xfc\xcb\xdc", UTF8 => "gr\xc3\xb6\xc3\x9fe" }->{$encoding};
	my $file = tempdir(CLEANUP => 1) . '/names.sql';
	$node->safe_psql('postgres', "SET predictor.enabled = off; CREATE DATABASE \"in_$encoding\" ENCODING $encoding LOCALE 'C' TEMPLATE template0");
	append_to_file($file, "SET client_encoding = $encoding; CREATE EXTENSION predictor; SELECT predictor.flush(); CREATE TABLE \"$name\" (\"$name\" text); "
		. "SELECT count(*) FROM \"$name\" WHERE \"$name\" = '$name'; SELECT predictor.flush();\n");
	$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr("in_$encoding"), '-f', $file ], "names in $encoding are no obstacle");
	is($node->safe_psql("in_$encoding", "SET predictor.enabled = off; SELECT count(*) FROM predictor.plan_nodes WHERE operator = 'Seq Scan'"), '1', '... and the statement is recorded');
}

# --- the client's time is not the statement's ---

# psql writes into a pipe that nobody reads, so the server waits for it.
my $rows = '';
my $client = IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-c', "SET predictor.operator_sample_rate = 0",
	'-c', "COPY (SELECT repeat('x', 1000) FROM generate_series(1, 40000)) TO STDOUT" ], '>pipe', \*FROM_CLIENT);
ok(wait_for_sql($node, 'postgres', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'COPY%' AND wait_event = 'ClientWrite' "
	. "AND clock_timestamp() - query_start > '4 s'"), 'a client keeps the server waiting for four seconds');
1 while sysread FROM_CLIENT, $rows, 1 << 20;
$client->finish;
sql('SELECT predictor.flush()');
is(sql("SELECT count(*), bool_and(total_ms < 3000) FROM predictor.executions WHERE id = (SELECT max(id) FROM predictor.execution)"), '1|t', 'which are not in the record');

# --- no literal of anybody's anywhere ---

my $secret = 'coelacanth';
my $number = 918273645;
$log = -s $node->logfile;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_duration_statement = -1\nlog_min_error_statement = panic\n");
$node->reload;
ok(wait_for_sql($node, 'postgres', 'SHOW log_statement', 'none'), 'PostgreSQL itself logs no statements now');
$log = -s $node->logfile;
$node->psql('postgres', $_) foreach
  "SELECT count(*) FROM t WHERE b = '$secret'",
  "SELECT count(*) FROM t WHERE b LIKE '$secret%' OR id = $number",
  "SELECT count(*) FROM t WHERE id IN ($number, 2, 3) AND b <> ALL ('{$secret,y}')",
  "PREPARE p (text, int) AS SELECT count(*) FROM t WHERE b = \$1 AND id = \$2; EXECUTE p ('$secret', $number); SET plan_cache_mode = force_generic_plan; EXECUTE p ('$secret', $number)",
  "INSERT INTO t VALUES ($number, 1, '$secret')",
  "UPDATE t SET b = '$secret' WHERE id = $number",
  "SELECT '$secret', * FROM (VALUES ('$secret', $number)) v (x, y) WHERE x = '$secret'",
  "SET statement_timeout = '50ms'; SELECT pg_sleep(1) FROM t WHERE b <> '$secret'",
  "SELECT '$secret'::int",
  "DELETE FROM t WHERE id = $number OR b = '$secret'";
sql('SELECT predictor.flush()');
my @tables = split /\n/, sql("SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'predictor' AND c.relkind IN ('r', 'p')");
cmp_ok(scalar(@tables), '>', 10, 'every table of ours is searched');
foreach my $table (@tables, 'predictor.aggregates()', 'predictor.stat', 'predictor.plan_nodes', 'predictor.executions')
{
	is(sql("SELECT count(*) FROM $table x WHERE x::text ~* '$secret|$number|" . unpack('H*', $secret) . "'"), '0', "no literal in $table");
}
sql('CHECKPOINT');
my $data = $node->data_dir;
my $relations = sql("SELECT string_agg(pg_relation_filepath(c.oid), ' ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
	. "WHERE n.nspname = 'predictor' AND c.relkind IN ('r', 'i', 'S', 't') OR c.oid IN (SELECT reltoastrelid FROM pg_class c2 WHERE c2.relnamespace = n.oid)");
my @files = grep { -e } map { "$data/$_" } split / /, $relations;
cmp_ok(scalar(@files), '>', 10, 'their files are there');
my @found = grep { slurp_file($_) =~ /$secret|$number/ } @files;
is_deeply(\@found, [], 'no literal in their files');
unlike(slurp_file($node->logfile, $log), qr/$secret.*(predictor|collector|launcher)|(predictor|collector|launcher).*$secret/, 'no literal in a line of ours in the log');

$node->stop;
done_testing();
