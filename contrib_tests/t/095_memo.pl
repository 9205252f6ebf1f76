# Answers are remembered in each backend, and what is remembered is what would be predicted; hooks read no table, and
# let go of bundles that answer no more.
use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('primary', <<'EOC');
max_parallel_workers_per_gather = 0
predictor.operator_sample_rate = 0
predictor.max_captures_per_second = 1000000
EOC
sub query { return $node->safe_psql('postgres', "SET predictor.capture = off;\n$_[0]"); }
# What the statements add to a counter, run in one session.
sub counted
{
	my ($name, @statements) = @_;
	my $before = query("SELECT value FROM predictor.stat WHERE name = '$name'");
	$node->safe_psql('postgres', join(";\n", @statements));
	return query("SELECT value FROM predictor.stat WHERE name = '$name'") - $before;
}

query(<<'EOS');
CREATE TABLE item (id int PRIMARY KEY, kind int, name text);
INSERT INTO item SELECT g, g % 40, 'item ' || g FROM generate_series(1, 4000) g;
CREATE TABLE sale (item int, amount int);
INSERT INTO sale SELECT 1 + g % 4000, g % 7 FROM generate_series(1, 8000) g;
CREATE TABLE part (k int, v int) PARTITION BY RANGE (k);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (100);
CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (100) TO (200);
VACUUM ANALYZE;
SELECT predictor.flush();
SELECT predictor.create_model('m');
EOS
$node->safe_psql('postgres', join(";\n", map { ("SELECT count(*) FROM item WHERE kind = $_", "SELECT sum(amount) FROM sale JOIN item ON id = item WHERE kind < $_") } 1 .. 40));
query('SELECT predictor.flush()');
is(query("SELECT state FROM predictor.train('m')"), 'done', 'a model is trained');
query('SELECT predictor.reset_history()');

# What the records say was predicted of the statements, run in one session, in the order in which they ran.
sub recorded
{
	my (@statements) = @_;
	query('SELECT predictor.flush(); SELECT predictor.reset_history()');
	$node->safe_psql('postgres', join(";\n", @statements));
	query('SELECT predictor.flush()');
	return split / /, query(q{SELECT string_agg(predicted_total || '/' || predicted_low || '/' || predicted_high || '/' || predicted_source, ' ' ORDER BY id) FROM predictor.execution});
}

# --- the same answer ---

# Each with two sets of values, so that what is remembered of one could be taken for the other.
my @statements = (
	'SELECT count(*) FROM item WHERE kind = %1$d',
	'SELECT count(*) FROM item WHERE kind IN (%1$d, %2$d)',
	q{SELECT count(*) FROM item WHERE name LIKE 'item %1$d%%' AND NOT kind = %2$d},
	'SELECT sum(amount) FROM sale JOIN item ON id = item WHERE kind < %1$d',
	'SELECT kind + %1$d, count(*) FROM item GROUP BY 1 ORDER BY 2 DESC LIMIT 3',
	'SELECT count(*) FROM item WHERE CASE WHEN kind = %1$d THEN id ELSE %2$d END > 5',
	'SELECT count(*) FROM item i WHERE EXISTS (SELECT FROM sale s WHERE s.item = i.id AND s.amount = %1$d %% 7)',
	'SELECT (SELECT max(amount) FROM sale WHERE item = %1$d), id FROM item WHERE id < %2$d',
	'SELECT * FROM generate_series(1, %1$d) g',
	'SELECT rank() OVER (ORDER BY kind) FROM item WHERE id BETWEEN %1$d AND %1$d + %2$d',
	'WITH w AS MATERIALIZED (SELECT * FROM item WHERE kind = %1$d) SELECT count(*) FROM w JOIN w x USING (id)',
	'DELETE FROM item WHERE id = -%1$d',
	'SELECT count(*) FROM part WHERE k < %1$d');
my @all = map { my $statement = $_; (sprintf($statement, 3, 17), sprintf($statement, 11, 30)) } @statements;
my @expected = split /\n/, query(join(' UNION ALL ', map { "SELECT total_ms::float4 FROM predictor.predict_total(\$q\$$_\$q\$)" } @all));
my $predictions = counted('predictions', @all, @all, @all);
cmp_ok($predictions, '<=', @all + 4, 'a statement that is executed again is not predicted again');
is_deeply([ map { s/\/.*//r } recorded(@all, @all, @all) ], [ @expected, @expected, @expected ], 'and has the answer that it had');

# With generic plans the values are all that differs.
my @prepare = ('SET plan_cache_mode = force_generic_plan', 'PREPARE one (int, text) AS SELECT count(*) FROM item WHERE kind = $1 AND name <> $2');
my @executions = map { my $kind = $_; map { "EXECUTE one ($kind, $_)" } "'item 1'", 'NULL' } 1 .. 4;
my @alone = map { recorded(@prepare, $_) } @executions;
is_deeply([ recorded(@prepare, @executions, @executions) ], [ @alone, @alone ], 'values of a generic plan are told apart');
my $function = 'CREATE FUNCTION pg_temp.counts(n int) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM item WHERE kind = n); END $$';
cmp_ok(counted('predictions', @prepare, $function, "SET predictor.track = 'all'", ('SELECT pg_temp.counts(3)') x 20), '<=', 4, 'so are those of a function');

# --- what makes it old ---

my $statement = 'SELECT count(*) FROM item WHERE kind = 3';
my $pair = sub { return counted('predictions', $statement, @_, $statement); };
is($pair->('SELECT 1'), 2, 'nothing: two statements are predicted once each');
is($pair->("SET work_mem = '8MB'"), 2, 'another setting');
is($pair->('CREATE INDEX item_name ON item (name)'), 2, 'a change of the table');
is($pair->('BEGIN; CREATE TABLE other (a int); ROLLBACK'), 2, 'or of any table');
query(q{INSERT INTO predictor.model_version SELECT (jsonb_populate_record(v, jsonb_build_object('version', 2, 'job', gen_random_uuid()))).* FROM predictor.model_version v WHERE version = 1});
query('SELECT predictor.flush(); SELECT predictor.reset_history()');
$node->safe_psql('postgres', "$statement; SELECT predictor.activate('m', 2); SELECT total_ms FROM predictor.predict_total('SELECT 1'); $statement; SELECT predictor.flush()");
is(query("SELECT string_agg(predicted_version::text, ' ' ORDER BY id) FROM predictor.execution GROUP BY query_id HAVING count(*) = 2"),
	'1 2', 'another version answers for itself');

# --- no table is read ---

my $reads = "SELECT sum(seq_scan + coalesce(idx_scan, 0)) FROM pg_stat_xact_all_tables WHERE schemaname = 'predictor'";
is( $node->safe_psql('postgres', "SET predictor.limit_superusers = on; SET predictor.max_predicted_time = '1min'; BEGIN; SELECT count(*) FROM item WHERE id < 700 \\g /dev/null\n"
		  . "DELETE FROM item WHERE id = -1; $reads; COMMIT"),
	'0', 'the hooks read none of our tables');

# --- a bundle goes with its last reader, also one that only runs statements ---

SKIP:
{
	skip 'needs /proc', 3 unless -r "/proc/$$/maps";
	my ($in, $text) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$text);
	my $ask = sub {
		$text = '';
		$in .= "$_[0];\n\\echo done\n";
		$session->pump until $text =~ /^done$/m;
		return $text =~ s/done\n$//r;
	};
	my ($pid) = $ask->('SELECT pg_backend_pid()') =~ /(\d+)/;
	my $mapped = sub { return join(' ', map { / \(deleted\)$/ ? 'old' : 'new' } grep { /predictor\.\d+\.\d+\.bundle/ } split /\n/, slurp_file("/proc/$pid/maps")); };
	$ask->($statement);
	is($mapped->(), 'new', 'a session that runs statements has mapped its model');
	query("SELECT predictor.activate('m', 0); SELECT total_ms FROM predictor.predict_total('SELECT 1')");
	$ask->($statement);
	is($mapped->(), 'new', 'and another file when another version is active');
	query("SELECT predictor.drop_model('m')");
	ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM predictor.serving'), 'the model is dropped');
	$ask->($statement);
	is($mapped->(), '', 'then nothing');
	$in .= "\\q\n";
	$session->finish;
}
$node->stop;

done_testing();
