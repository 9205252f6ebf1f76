# Live accuracy: records carry the prediction that was made before the statement ran, predictor.accuracy
# compares it with what it took, drift raises one alarm, and live calibration follows within its bounds.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('primary', <<'EOC');
max_parallel_workers_per_gather = 0
predictor.operator_sample_rate = 0
EOC
my ($code, $out, $err);
# What the test itself asks is not captured.
sub query { return $node->safe_psql('postgres', "SET predictor.capture = off;\n$_[0]"); }
# Runs statements a hundred to a session, and waits until they are stored.
sub run_all
{
	$node->safe_psql('postgres', join(";\n", @_));
	is(query('SELECT predictor.flush()'), 't', scalar(@_) . ' statements are stored');
	return;
}

$node->safe_psql('postgres', 'CREATE TABLE item (id int PRIMARY KEY, kind int);'
	  . 'INSERT INTO item SELECT g, g % 10 FROM generate_series(1, 5000) g; VACUUM ANALYZE item; SELECT predictor.flush()');
# A statement whose cost never changes, while its time does as one likes.
sub sleeps { my ($seconds, $times) = @_; return ("SELECT pg_sleep($seconds)") x $times; }
run_all(sleeps(0.002, 60));
is(query("SELECT count(*) FROM predictor.execution WHERE predicted_total <> 'NaN'"), '0', 'without a model there is no prediction');
query("SELECT predictor.create_model('m')");

# --- the record ---

my $statement = 'SELECT count(*) FROM item WHERE kind = 3';
my $predicted = query("SELECT total_ms::float4, low_ms::float4, high_ms::float4 FROM predictor.predict_total('$statement')");
run_all($statement);
is(query('SELECT predicted_total, predicted_low, predicted_high FROM predictor.execution ORDER BY id DESC LIMIT 1'), $predicted,
	'a record carries what predict_total() says');
is(query("SELECT predicted_version, predicted_model = predictor.model_key(m.uuid), predictor.source_name(predicted_source)"
		  . " FROM predictor.execution e, predictor.model m ORDER BY e.id DESC LIMIT 1"),
	query("SELECT version, true, source || CASE WHEN out_of_distribution THEN ', out of distribution' ELSE '' END FROM predictor.predict_total('$statement')"),
	'with model, version and source');
run_all("SET predictor.predict_all = off", $statement);
is(query("SELECT predicted_total = 'NaN' FROM predictor.execution ORDER BY id DESC LIMIT 1"), 't', 'unless predict_all is off');

# --- a bad prediction is a reason to record ---

# Plans without a past, so that nothing but the prediction says what to expect of them.
my $unusual = "SELECT value FROM predictor.stat WHERE name = 'unusual_statements'";
my $unusual_before = query($unusual);
run_all('SELECT pg_sleep(0.0001), kind FROM item WHERE id = 1');
is(query($unusual), $unusual_before + 1, 'what takes far less than the interval is unusual');
run_all('SET predictor.predict_all = off', 'SELECT pg_sleep(0.0001), id FROM item WHERE id = 1');
is(query($unusual), $unusual_before + 1, '... and not if nothing was predicted');

# --- the view ---

query("SELECT predictor.reset_history()");
run_all(map { "SELECT kind FROM item WHERE id = $_" } 1 .. 40);
run_all(map { "SELECT count(*) FROM item WHERE kind = $_ % 10" } 1 .. 30);
is(query("SELECT model, version, statements FROM predictor.accuracy WHERE query_id IS NULL AND source IS NULL"), 'm|0|70', 'predictor.accuracy counts a version\'s statements');
is(query("SELECT string_agg(statements::text, ',' ORDER BY statements) FROM predictor.accuracy WHERE query_id IS NOT NULL"), '30,40', 'those of each query');
is(query("SELECT sum(statements) FROM predictor.accuracy WHERE source IS NOT NULL"), '70', 'and those of each source');
is(query(<<'EOS'), 't|t|t|t', 'with quantiles of the q-error, bias and coverage of just these records');
SELECT abs(a.q50 / r.q50 - 1) < 1e-3, abs(a.q95 / r.q95 - 1) < 1e-3, abs(a.bias / r.bias - 1) < 1e-3, abs(a.coverage - r.coverage) < 1e-9
FROM predictor.accuracy a,
	(SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY q) AS q50, percentile_cont(0.95) WITHIN GROUP (ORDER BY q) AS q95,
		exp(avg(ln(predicted_total / total_time))) AS bias, avg((total_time BETWEEN predicted_low AND predicted_high)::int) AS coverage
	FROM (SELECT *, greatest(predicted_total / total_time, total_time / predicted_total) AS q FROM predictor.execution) e) r
WHERE query_id IS NULL AND source IS NULL
EOS
($code, $out, $err) = $node->psql('postgres', "SET statement_timeout = '20ms'; SELECT pg_sleep(10)");
like($err, qr/statement timeout/, 'a cancelled statement');
$node->safe_psql('postgres', 'SET predictor.operator_sample_rate = 1; SELECT count(*) FROM item WHERE kind < 5');
query('SELECT predictor.flush()');
is(query("SELECT statements FROM predictor.accuracy WHERE query_id IS NULL AND source IS NULL"), '70', 'does not count, nor does one with timers');
query('CREATE ROLE monitor LOGIN; ALTER ROLE monitor SET predictor.capture = off; GRANT pg_monitor TO monitor; CREATE ROLE nobody LOGIN');
is($node->safe_psql('postgres', 'SELECT count(*) > 0 FROM predictor.accuracy WHERE q50 >= 1', extra_params => [ '-U', 'monitor' ]), 't', 'pg_monitor reads it');
($code) = $node->psql('postgres', 'SELECT * FROM predictor.accuracy', extra_params => [ '-U', 'nobody' ]);
isnt($code, 0, 'others do not');

# two models side by side, each chosen by a session
query("SELECT predictor.create_model('n')");
{
	local $ENV{PGOPTIONS} = '-c predictor.capture=off';
	ok($node->poll_query_until('postgres', 'SELECT count(version) = 2 FROM predictor.serving'), 'both models answer');
}
run_all("SET predictor.default_model = 'n'", map { "SELECT kind FROM item WHERE id = $_" } 1 .. 20);
run_all("SET predictor.default_model = 'm'", map { "SELECT kind FROM item WHERE id = $_" } 1 .. 20);
is(query("SELECT string_agg(model || statements, ',' ORDER BY model) FROM predictor.accuracy WHERE query_id IS NULL AND source IS NULL"), 'm90,n20',
	'models are compared in one query');
query("SELECT predictor.drop_model('n')");

# --- drift and calibration ---

# A fresh model has been calibrated by sleeps of 2 ms; a while of that, and then they take twenty times as long.
query("SELECT predictor.reset_history()");
run_all(sleeps(0.002, 80));
query("SELECT predictor.drop_model('m'); SELECT predictor.create_model('d')");
my $from = -s $node->logfile;
run_all(sleeps(0.002, 60));
my $overall = "FROM predictor.accuracy WHERE query_id IS NULL AND source IS NULL";
is(query("SELECT model, drifted_at IS NULL $overall"), 'd|t', 'what was learned holds: no drift');
my $before = query("SELECT total_ms FROM predictor.predict_total('SELECT pg_sleep(1)')");
run_all(sleeps(0.04, 50)) for 1 .. 2;
is(query("SELECT model, drifted_at IS NULL $overall"), 'd|f', 'when statements take twenty times as long, that is drift');
my $alarms = () = substr(slurp_file($node->logfile), $from) =~ /LOG:  predictions of model "d" version 0 have drifted/g;
is($alarms, 1, 'one line in the log says so');
is(query("SELECT calibration = 4 $overall"), 't', 'the calibration has gone to its bound');
is(query("SELECT total_ms FROM predictor.predict_total('SELECT pg_sleep(1)')"), $before, 'but changes nothing');
query('ALTER SYSTEM SET predictor.live_calibration = on');
query('SELECT pg_reload_conf()');
ok($node->poll_query_until('postgres', "SELECT current_setting('predictor.live_calibration') = 'on'"), 'until it is turned on');
is(query("SELECT abs(total_ms / (4 * $before) - 1) < 0.001 FROM predictor.predict_total('SELECT pg_sleep(1)')"), 't', 'then times are multiplied by it');
is(query("SELECT abs(low_ms / total_ms) < 1 AND high_ms > total_ms FROM predictor.predict_total('SELECT pg_sleep(1)')"), 't', 'intervals as well');
$node->restart;
is(query("SELECT abs(total_ms / (4 * $before) - 1) < 0.001 FROM predictor.predict_total('SELECT pg_sleep(1)')"), 't', 'also after a restart');
$node->stop;

done_testing();
