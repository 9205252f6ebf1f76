# predictor.max_predicted_time: which statements are judged, by what, and what happens to them.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('primary', <<'EOC');
predictor.operator_sample_rate = 0
# a new model answers by calibrated cost, and has seen nothing
predictor.limit_unreliable = on
EOC

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE item (id int PRIMARY KEY, kind int);
INSERT INTO item SELECT g, g % 10 FROM generate_series(1, 20000) g;
CREATE TABLE part (item int REFERENCES item DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE touched (a int);
VACUUM ANALYZE item;
CREATE FUNCTION inner_count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM item); END $$;
CREATE ROLE app LOGIN;
CREATE ROLE chief LOGIN;
GRANT ALL ON ALL TABLES IN SCHEMA public TO app, chief;
SELECT predictor.create_model('m');
EOS
ok($node->poll_query_until('postgres', 'SELECT count(*) = 1 FROM predictor.serving WHERE version IS NOT NULL'), 'a model answers');

my ($code, $out, $err);
# Runs as a role that is no superuser, under the given limit.
sub run
{
	my ($sql, %settings) = @_;
	%settings = (max_predicted_time => '0.0001', limit_action => 'error', %settings);
	$node->safe_psql('postgres', join('', map { "ALTER ROLE app SET predictor.$_ = '$settings{$_}';" } sort keys %settings));
	($code, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-U', 'app', '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);
	$node->safe_psql('postgres', 'ALTER ROLE app RESET ALL');
	return;
}

# --- what happens ---

my $seen = $node->safe_psql('postgres', 'SELECT count(*) FROM predictor.executions');
my $refused = counter($node, 'refused');
run('SELECT count(*) FROM item');
like($err, qr/ERROR:  53400: statement is predicted to take \d+ ms, more than the limit of 0 ms/, 'a statement beyond the limit is refused');
like($err, qr/DETAIL:  Predicted time: [\d.]+ ms \(90% [\d.]+\.\.[\d.]+\) by model "m" version 0, source \w+/, 'with the prediction');
like($err, qr/HINT:  .*predictor\.max_predicted_time.*predictor\.limit_quantile = 0\.5.*predictor\.limit_action/, 'and the settings');
is(counter($node, 'refused'), $refused + 1, 'it is counted');
$node->safe_psql('postgres', 'SELECT predictor.flush()');
is($node->safe_psql('postgres', 'SELECT count(*) FROM predictor.executions WHERE total_cost > 300'), 0, 'and never learned from');
run("INSERT INTO touched SELECT id FROM item");
is($node->safe_psql('postgres', 'SELECT count(*) FROM touched'), 0, 'nothing of it has run');

run('SELECT count(*) FROM item', limit_action => 'warning');
is("$code|$out", '0|20000', 'with "warning" it runs');
like($err, qr/WARNING:  53400: statement is predicted to take/, 'and the client is told');
my $from = -s $node->logfile;
run('SELECT count(*) FROM item', limit_action => 'log');
is("$code|$out|$err", '0|20000|', 'with "log" it runs silently');
like(substr(slurp_file($node->logfile), $from), qr/LOG:  statement is predicted to take \d+ ms/, 'and the log is told');
run('SELECT count(*) FROM item', max_predicted_time => '1h');
is("$code|$out|$err", '0|20000|', 'a statement within the limit runs');
run('SELECT count(*) FROM item', max_predicted_time => '0');
is("$code|$out|$err", '0|20000|', 'as does any without a limit');

# --- by what ---

$out = $node->safe_psql('postgres', "SELECT low_ms, total_ms, high_ms FROM predictor.predict_total('SELECT count(*) FROM item')");
my ($low, $median, $high) = split /\|/, $out;
cmp_ok($low, '<', $median, 'the interval has a lower') and cmp_ok($median, '<', $high, 'and an upper end');
foreach my $case ([ 0.5, $median * 0.99, 1 ], [ 0.5, $median * 1.01, 0 ], [ 0.95, $high * 0.99, 1 ], [ 0.95, $high * 1.01, 0 ],
	[ 0.05, $low * 0.99, 1 ], [ 0.05, $low * 1.01, 0 ], [ 0.725, sqrt($median * $high) * 0.98, 1 ], [ 0.725, sqrt($median * $high) * 1.02, 0 ])
{
	my ($quantile, $limit, $over) = @$case;
	run('SELECT count(*) FROM item', limit_quantile => $quantile, max_predicted_time => $limit);
	is($code != 0, $over == 1, "quantile $quantile, limit $limit ms: " . ($over ? 'over' : 'within'));
}
run('SELECT count(*) FROM item', limit_unreliable => 'off');
is("$code|$out", '0|20000', 'an answer out of distribution refuses nothing unless told to');

# a cursor is judged by its startup and the part that is expected to be fetched
my $all = $node->safe_psql('postgres', "SELECT total_ms FROM predictor.predict_total('SELECT * FROM item')");
run('SELECT count(*) FROM (SELECT * FROM item) x', max_predicted_time => $all / 2);
isnt($code, 0, 'what is beyond the limit as a whole');
run('BEGIN; DECLARE c CURSOR FOR SELECT * FROM item; FETCH 2 FROM c;', max_predicted_time => $all / 2);
is($code, 0, 'may be opened as a cursor') or diag($err);
run('BEGIN; DECLARE c CURSOR FOR SELECT * FROM item;', max_predicted_time => $all / 50);
like($err, qr/DETAIL: .*Of a cursor, startup and 10% of the rest count/, 'unless its part is too long, too');

# --- who and what is judged ---

($code, $out, $err) = $node->psql('postgres', "SET predictor.max_predicted_time = 0.0001; SET predictor.limit_action = 'error'; SELECT count(*) FROM item");
is($code, 0, 'a superuser is not');
($code, $out, $err) = $node->psql('postgres', "SET predictor.max_predicted_time = 0.0001; SET predictor.limit_action = 'error'; SET ROLE app; SELECT count(*) FROM item");
is($code, 0, 'whatever role the session takes');
($code, $out, $err) = $node->psql('postgres', "SET predictor.max_predicted_time = 0.0001; SET predictor.limit_action = 'error'; SET predictor.limit_superusers = on; SELECT count(*) FROM item");
isnt($code, 0, 'unless told otherwise');
run('SET predictor.max_predicted_time = 0');
like($err, qr/permission denied to set parameter/, 'nobody else lifts his own limit');
$node->safe_psql('postgres', "ALTER DATABASE postgres SET predictor.max_predicted_time = '0.0001'; ALTER DATABASE postgres SET predictor.limit_action = 'error'");
($code) = $node->psql('postgres', 'SELECT count(*) FROM item', extra_params => [ '-U', 'chief' ]);
isnt($code, 0, 'a limit of the database is everyone\'s');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');

foreach my $case (
	[ 'EXPLAIN SELECT count(*) FROM item', 0, 'EXPLAIN is not' ],
	[ 'EXPLAIN (ANALYZE, COSTS OFF) SELECT count(*) FROM item', 1, 'EXPLAIN ANALYZE is' ],
	[ 'CREATE TEMP TABLE t AS SELECT * FROM item', 1, 'CREATE TABLE AS is' ],
	[ 'COPY (SELECT * FROM item) TO STDOUT', 1, 'COPY of a query is' ],
	[ 'PREPARE p AS SELECT count(*) FROM item; EXECUTE p', 1, 'EXECUTE is' ],
	[ 'DO $$ BEGIN PERFORM inner_count(); END $$', 0, 'statements inside a DO block are not' ],
	[ 'VACUUM (ANALYZE) touched; SHOW work_mem', 0, 'utility statements are not' ])
{
	my ($sql, $over, $name) = @$case;
	run($sql);
	is($code != 0, $over == 1, $name) or diag($err);
}
# a function's statement is judged by its own plan only if that is wanted
my $own = $node->safe_psql('postgres', "SELECT total_ms FROM predictor.predict_total('SELECT inner_count()')");
my $nested = $node->safe_psql('postgres', "SELECT total_ms FROM predictor.predict_total('SELECT count(*) FROM item')");
cmp_ok($nested, '>', 4 * $own, 'a function that looks cheap is not');
run('SELECT inner_count()', max_predicted_time => 2 * $own);
is("$code|$out", '0|20000', 'it is let through');
run('SELECT inner_count()', max_predicted_time => 2 * $own, limit_nested => 'on');
like($err, qr/53400.*PL\/pgSQL function inner_count/s, 'with limit_nested it is not');
# referential integrity, also when it is checked at commit and nested statements are judged
my $insert = $node->safe_psql('postgres', "SELECT total_ms FROM predictor.predict_total('INSERT INTO part VALUES (1)')");
run('BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO part VALUES (7); COMMIT', max_predicted_time => $insert * 1.01, limit_nested => 'on');
is($code, 0, 'queries of referential integrity are not judged') or diag($err);
run('SELECT count(*) FROM item', max_predicted_time => '0.0001');
isnt($code, 0, 'while the statement itself would be');

# --- what it costs: far below the limit, one prediction is enough for many executions ---

run(join(';', map { "SELECT kind FROM item WHERE id = $_" } 1 .. 3), max_predicted_time => '1h');
my $predictions = counter($node, 'predictions');
run(join(';', 'SET plan_cache_mode = force_generic_plan', 'PREPARE one (int) AS SELECT kind FROM item WHERE id = $1', map { "EXECUTE one ($_)" } 1 .. 60),
	max_predicted_time => '1h', predict_all => 'off');
cmp_ok(counter($node, 'predictions') - $predictions, '<=', 2, 'a plan far below the limit is not predicted again and again');
is(counter($node, 'over_limit') >= counter($node, 'refused'), 1, 'over_limit counts all, refused those not run');
$node->stop;

done_testing();
