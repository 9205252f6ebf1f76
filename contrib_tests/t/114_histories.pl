# What a training may find: a history of timeouts alone, a very long one, an imported one, tables that were altered or
# dropped since; and trainings of one model in two databases at one time, also of databases that are copies of each other.
use strict;
use warnings FATAL => 'all';

use EngineTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(usleep);

my $place = PostgreSQL::Test::Utils::tempdir();

# A million takes two gigabytes; where they are not there, enough to see whether memory grows with the history.
my ($free) = (`df -Pk '$place'`) =~ /(\d+)\s+\d+%/;
my $records = $ENV{PREDICTOR_TEST_RECORDS} // (($free // 0) > 5_000_000 ? 1_000_000 : 40_000);
make_authority($place, 'primary.example');
my $engine = start_engine($place);
my $node = new_server('main', engine_settings($place, 'primary.example')
	  . "predictor.engine_url = '$engine->{url}'\npredictor.operator_sample_rate = 1\npredictor.max_history = 10000000\nmax_parallel_workers_per_gather = 0\n"
	  . "predictor.max_trainings = 2\npredictor.max_workers = 4\nmax_wal_size = 4GB\n");

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub train { return ($node->psql($_[1] // 'postgres', "SELECT state FROM predictor.train('$_[0]')")); }

sub set_up
{
	my ($database) = @_;
	query(<<'EOS', $database);
CREATE EXTENSION IF NOT EXISTS predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 2000) g;
ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('m', auto_train => false, options => '{"max_epochs": 2}'),
	predictor.create_model('quick', template => 'cost', auto_train => false, keep_versions => 50);
EOS
	return;
}

# --- nothing but timeouts ---

query('CREATE DATABASE timeouts');
set_up('timeouts');
query("SELECT predictor.flush(); SELECT predictor.reset_history()", 'timeouts');
$node->psql('timeouts', "SET statement_timeout = '20ms';\n" . join(";\n", map { 'SELECT sum(' . join(' + ', ('kind') x $_) . ') FROM item, pg_sleep(10)' } 1 .. 40),
	on_error_stop => 0);
query('SELECT predictor.flush()', 'timeouts');
query("DELETE FROM predictor.execution WHERE flags & 1 = 0", 'timeouts');
cmp_ok(query('SELECT count(*) FROM predictor.executions WHERE timed_out', 'timeouts'), '>=', 20, 'a history of statements that were cancelled');
foreach my $model ('m', 'quick')
{
	my ($code, $out, $err) = train($model, 'timeouts');
	like("$out$err", qr/^done|ERROR:  .*(could not train|cannot be trained) .*\nHINT/s, "$model learns from it, or says why it cannot");
	isnt(query("SELECT source FROM predictor.predict_total('SELECT count(*) FROM item', '$model')", 'timeouts'), '', "$model answers");
}

# --- a long one ---

set_up('postgres');
query(join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT count(*) FROM item WHERE id = $_") } 1 .. 60) . ';SELECT predictor.flush()');

# Adds copies of what there is to the segment being filled, with ids of their own.
sub lengthen
{
	my ($count) = @_;
	query(<<"EOS");
SET predictor.enabled = off;
SET synchronous_commit = off;
DO \$\$
DECLARE
	columns text := (SELECT string_agg(CASE attname WHEN 'id' THEN 'nextval(\$s\$predictor.execution_id\$s\$)' ELSE quote_ident(attname) END, ', ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = 'predictor.execution'::regclass AND attnum > 0);
BEGIN
	EXECUTE format('INSERT INTO predictor.execution SELECT %s FROM (SELECT e.* FROM predictor.execution e WHERE cardinality(e.total_cost) = 2'
		' ORDER BY id LIMIT 50) e, generate_series(1, %s)', columns, $count / 50);
END
\$\$;
EOS
	return;
}

# Trains, and gives the most memory of its own that the trainer was seen to have, in kB.
sub trainer_memory
{
	my $job = query("SELECT job FROM predictor.train('quick', wait => false, promote => false)");
	my ($pid, $most) = ('', 0);
	wait_for(sub { ($pid = query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'predictor trainer'")) ne '' }) or die 'no trainer';
	while (my $status = eval { slurp_file("/proc/$pid/status") })
	{
		my ($now) = $status =~ /^RssAnon:\s+(\d+)/m or last;
		$most = $now if $now > $most;
		usleep(5_000);
	}
	ok(wait_for_sql($node, 'postgres', "SELECT state FROM predictor.training_jobs WHERE job = '$job'", 'done'), 'a training of a long history');
	return $most;
}

lengthen($records / 10);
my $little = trainer_memory();
lengthen($records);
my $much = trainer_memory();
my $stored = query('SELECT count(*) FROM predictor.execution');
cmp_ok($stored, '>=', $records, 'a history that is ten times as long');
note("trainer: $little kB, then $much kB of its own for $stored records");
SKIP:
{
	skip 'no /proc here', 1 unless $little > 0;
	cmp_ok($much, '<', $little + 16 * 1024, "needs no more of the trainer's memory");
}
cmp_ok(query("SELECT max(plans) FROM predictor.training_jobs"), '<=', 50_000, 'and no more than training_plans are used of it');

# --- tables that are not what they were ---

query('SELECT predictor.reset_history()');
query(join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT kind, count(*) FROM item WHERE id > $_ GROUP BY 1") } 1 .. 60) . ';SELECT predictor.flush()');
query('ALTER TABLE item ADD COLUMN name text; ALTER TABLE item ALTER kind TYPE bigint; ALTER TABLE item RENAME COLUMN id TO number; ALTER TABLE item RENAME TO thing');
is((train('m'))[1], 'done', 'a table that was altered since is no trouble');
isnt(query("SELECT source FROM predictor.predict_total('SELECT count(*) FROM thing WHERE kind < 5', 'm')"), '', 'nor for a prediction');
my $job = query("SELECT job FROM predictor.train('m', wait => false)");
ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM predictor.training_progress() WHERE job = '$job'", '1'), 'during a training');
query('DROP TABLE thing');
ok(wait_for_sql($node, 'postgres', "SELECT state FROM predictor.training_jobs WHERE job = '$job'", 'done'), 'a table may be dropped');

# --- two databases ---

ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid() AND backend_type LIKE 'predictor%'", '0'), 'nobody is there');
query('CREATE DATABASE twin TEMPLATE postgres', 'template1');
is(query('SELECT uuid FROM predictor.model ORDER BY name', 'twin'), query('SELECT uuid FROM predictor.model ORDER BY name'), 'a copy of a database has the same models');
my @databases = ('postgres', 'twin');
query('SELECT predictor.flush()', 'twin');
# the engine stands still until both have come to it
$engine->{run}->signal('STOP');
my $running = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'predictor trainer'";
my %jobs = map { $_ => query("SELECT job FROM predictor.train('m', wait => false)", $_) } @databases;
ok(wait_for_sql($node, 'postgres', $running, '2'), 'both train at one time');
$engine->{run}->signal('CONT');
foreach my $database (@databases)
{
	ok(wait_for_sql($node, $database, "SELECT state, attempts, error IS NULL FROM predictor.training_jobs WHERE job = '$jobs{$database}'", 'done|1|t'), "$database has its version");
}
isnt(query("SELECT encode(sha256, 'hex') FROM predictor.model_version WHERE job = '$jobs{twin}'", 'twin'), '', 'each its own');

# --- one after the other ---

query("ALTER SYSTEM SET predictor.max_trainings = 1; SELECT pg_reload_conf()");
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.max_trainings', '1'), 'with room for one training in the server');
$engine->{run}->signal('STOP');
%jobs = map { $_ => query("SELECT job FROM predictor.train('m', wait => false)", $_) } @databases;
my ($waited, $most) = (0, 0);
wait_for(sub {
	$engine->{run}->signal('CONT') if $waited;
	my $trainers = query($running);
	my $states = join ' ', sort map { query("SELECT state FROM predictor.training_jobs WHERE job = '$jobs{$_}'", $_) } @databases;
	$most = $trainers if $trainers > $most;
	$waited = 1 if $states eq 'requested running';
	return $states eq 'done done';
}) or die 'the trainings do not end';
is("$most $waited", '1 1', 'two databases train one after the other');

# --- a cold start ---

query("ALTER SYSTEM SET predictor.auto_train = on; SELECT pg_reload_conf()");
query('CREATE DATABASE cold');
query(<<'EOS', 'cold');
SET predictor.enabled = off;
CREATE EXTENSION predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 10000) g;
ANALYZE item;
SELECT predictor.create_model('m', options => '{"max_epochs": 30}');
EOS
my $known = 'SELECT count(*) FROM item WHERE kind < 3 AND id % 100 < 3';
my $source = "SELECT source, version > 0 FROM predictor.predict_total('$known')";
is(query($source, 'cold'), 'baseline|f', 'a new database answers at once, with the cost, and says so');
query(<<'EOS', 'cold');
SET predictor.enabled = off;
DO $$
DECLARE
	plan jsonb;
BEGIN
	FOR i IN 1 .. 120 LOOP
		EXECUTE format('EXPLAIN (ANALYZE, VERBOSE, FORMAT JSON) SELECT count(*) FROM item WHERE kind < %s AND id %% 100 < %s',
			i % 10 + 1, i % 10 + 1) INTO plan;
		PERFORM predictor.import_plan(plan);
	END LOOP;
END
$$;
SELECT predictor.flush();
EOS
ok(wait_for_sql($node, 'cold', 'SELECT active_version FROM predictor.models', '1'), 'after an import it has trained itself');
like(query($source, 'cold'), qr/^(cache|network)\|t$/, 'and answers by what it has learned');
# of 100 * 100 rows the planner expects a third of 300, since it does not know that both conditions are one
is(query("SELECT rows BETWEEN 200 AND 450 FROM predictor.predict('$known') WHERE node = 'Seq Scan'", 'cold'), 't', 'with the rows that it remembers');
is(query("SELECT source FROM predictor.predict_total('SELECT count(*) FROM pg_class a, pg_class b, pg_class c')", 'cold') ne '', 1, 'as well as anything else');

# --- two hold-outs ---

query("SELECT predictor.alter_model('m', auto_train => false), predictor.reset_history()", 'cold');
query(join(";\n", map { my $sum = join ' + ', ('kind') x $_; "SELECT id FROM item WHERE id < 50 AND $sum >= 0" } 1 .. 240) . ';SELECT predictor.flush()', 'cold');
query("SELECT predictor.train('m')", 'cold');
is(query(<<'EOS', 'cold'), 't|t|t|t|t', 'with queries enough some are withheld whole, and the verdict has the numbers of both hold-outs');
SELECT (verdict #>> '{newest,statements}')::int > 0 AND (verdict #>> '{withheld,statements}')::int > 0,
	(verdict #>> '{withheld,queries}')::int BETWEEN 1 AND 60,
	verdict #> '{withheld,challenger}' ?& '{q50,q95,node_q50,node_q95,coverage}',
	(SELECT bool_and((c.value ->> 'inside')::float8 BETWEEN 0 AND 1) FROM jsonb_each(verdict #> '{newest,challenger,coverage}') c),
	jsonb_array_length(verdict #> '{newest,ln_q50_difference}') = 3 AND jsonb_array_length(verdict #> '{withheld,ln_q95_difference}') = 3
FROM predictor.model_versions ORDER BY version DESC LIMIT 1
EOS

stop_engine($engine);
$node->stop;
done_testing();
