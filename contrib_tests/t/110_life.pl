# The life of a model without anybody's help: it answers at once, is trained when there is enough to learn
# from, judged against the one before, and no job is lost or counted twice, whatever ends in between.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
predictor.auto_train = on
predictor.flush_interval = 200ms
predictor.max_captures_per_second = 100000
predictor.operator_sample_rate = 1
jit = off
max_parallel_workers_per_gather = 0
EOC
$node->start;

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub becomes { return $node->poll_query_until($_[2] // 'postgres', $_[0]) ? pass($_[1]) : fail($_[1]); }

# Runs so many statements over two tables, no two of them alike.
my $parameter = 0;
sub work
{
	my ($count, $database) = @_;
	my @statements;
	while (@statements < $count)
	{
		$parameter++;
		my $kind = $parameter % 97;
		push @statements, "SELECT count(*) FROM item WHERE kind < $kind AND id > $parameter",
		  "SELECT count(*) FROM item WHERE id = $parameter",
		  "SELECT kind, count(*) FROM item WHERE id > $parameter * 10 GROUP BY kind ORDER BY 2 LIMIT 3";
	}
	query(join(";\n", @statements) . ';SELECT predictor.flush()', $database);
	return;
}

sub set_up
{
	my ($database) = @_;
	query(<<'EOS', $database);
CREATE EXTENSION predictor;
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 10000) g;
CREATE INDEX ON item (kind);
ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('m', train_after => 150, options => '{"max_epochs": 3}');
EOS
	return;
}

# --- from nothing to a trained model ---

set_up('postgres');
is(query("SELECT source, version FROM predictor.predict_total('SELECT count(*) FROM item')"), 'baseline|0',
	'a new model answers with the cost');
is(query('SELECT count(*) FROM predictor.training_due()'), '0', 'and is not due for a training');
work(120);
becomes("SELECT active_version = 1 FROM predictor.models", 'after a hundred statements it has trained itself');
is(query("SELECT reason, requested_by, attempts, state, promoted FROM predictor.training_jobs"),
	'first statements|' . query('SELECT current_user') . '|1|done|t', 'of which there is a record');
is(query("SELECT origin, verdict->>'outcome', verdict->>'champion', verdict->>'reason' <> '' FROM predictor.model_versions WHERE active"),
	'first statements|promoted|0|t', 'with a verdict');
isnt(query("SELECT source FROM predictor.predict_total('SELECT count(*) FROM item WHERE kind < 5')"), '',
	'it answers');

work(200);
becomes("SELECT count(*) = 1 FROM predictor.training_jobs WHERE reason = 'new statements' AND state = 'done'",
	'after as many new ones it is trained again');
my $verdict = query("SELECT verdict->'newest'->>'statements', verdict->'newest'->'champion'->>'q50', "
	. "verdict->'newest'->'challenger'->>'q95', jsonb_array_length(verdict->'newest'->'ln_q50_difference') "
	. "FROM predictor.model_versions ORDER BY version DESC LIMIT 1");
like($verdict, qr/^\d+\|[\d.]+\|[\d.]+\|3$/, 'and judged on the newest statements, which it has not seen');
cmp_ok(query("SELECT plans FROM predictor.model_versions ORDER BY version DESC LIMIT 1"), '<=',
	query('SELECT 0.95 * count(*) FROM predictor.executions'), 'these were held out');

# --- reasons ---

query("SELECT predictor.alter_model('m', auto_train => false, train_after => 5000)");
work(110);
is(query('SELECT count(*) FROM predictor.training_due()'), '0', 'auto_train => false is nobody\'s turn');
query("SELECT predictor.alter_model('m', auto_train => true)");
query('CREATE INDEX item_id ON item (id)');
is(query('SELECT reason, due_at > now() FROM predictor.training_due()'), 'schema changed|t',
	'a schema that has changed is a reason, though not at once');
query("ALTER SYSTEM SET random_page_cost = 1.1; SELECT pg_reload_conf()");
becomes("SELECT reason = 'settings changed' FROM predictor.training_due()", 'so are planner settings');
query("ALTER SYSTEM RESET random_page_cost; DROP INDEX item_id; SELECT pg_reload_conf()");
becomes("SELECT count(*) = 0 FROM predictor.training_due()", 'or not, when they are as they were');
query("SELECT predictor.alter_model('m', max_age => '1 microsecond')");
is(query('SELECT reason FROM predictor.training_due()'), 'age', 'age is a reason');
query("SELECT predictor.alter_model('m', max_age => '7 days'), predictor.ask_training('m', 'drift')");
is(query('SELECT reason FROM predictor.training_due()'), 'drift', 'and so is whatever somebody says');
query("UPDATE predictor.model SET retrain_reason = NULL");

# --- jobs that nobody waits for are rows, and so are as durable as rows ---

my $versions = query('SELECT versions FROM predictor.models');
query("BEGIN; SELECT predictor.train('m', wait => false); ROLLBACK");
is(query("SELECT count(*) FROM predictor.training_jobs WHERE reason = 'by hand'"), '0',
	'a request that was rolled back is none');
my ($code, $out, $err) = $node->psql('postgres',
	"BEGIN; SELECT predictor.train('m', wait => false); SELECT predictor.train('m', wait => false); COMMIT");
like($err, qr/model "m" is being trained already/, 'a model is trained once at a time');
is(query("SELECT state FROM predictor.train('m', wait => false)"), 'requested', 'requested');
becomes("SELECT count(*) = 1 FROM predictor.training_jobs WHERE reason = 'by hand' AND state = 'done'", 'and done');

sub interrupt
{
	my ($name, $how) = @_;
	my $before = query('SELECT versions FROM predictor.models');
	my $job = query("SELECT job FROM predictor.train('m', wait => false)");
	becomes("SELECT count(*) = 1 FROM predictor.training_progress() WHERE phase IN ('preparing', 'training', 'calibrating')",
		"$name: a training is going on");
	$how->();
	becomes("SELECT state = 'done' FROM predictor.training_jobs WHERE job = '$job'", "$name: it is taken up again");
	is(query("SELECT attempts FROM predictor.training_jobs WHERE job = '$job'"), '2', "$name: in a second attempt");
	is(query("SELECT count(*) FROM predictor.model_versions WHERE job = '$job'"), '1', "$name: with one result");
	is(query('SELECT versions FROM predictor.models'), $before + 1, "$name: and no other");
	return;
}

query("SELECT predictor.alter_model('m', auto_train => false, keep_versions => 50, options => '{}')");
interrupt('trainer terminated',
	sub { query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'predictor trainer'") });
interrupt('immediate stop', sub { $node->stop('immediate'); $node->start; });

my $job = query("SELECT job FROM predictor.train('m', wait => false)");
becomes("SELECT count(*) = 1 FROM predictor.training_progress() WHERE job = '$job'", 'a training runs');
is(query("SELECT predictor.cancel_training('$job')"), 't', 'it can be cancelled');
becomes("SELECT state = 'cancelled' FROM predictor.training_jobs WHERE job = '$job'", 'and is on record as such');
query("INSERT INTO predictor.training_job (job, model, model_name, requested_by, requested_at, state, attempts) "
	. "SELECT gen_random_uuid(), uuid, name, 'x', now(), 'running', 5 FROM predictor.model; SELECT predictor.look_at_trainings()");
becomes("SELECT error LIKE 'given up%' FROM predictor.training_jobs WHERE attempts = 5",
	'a job that never ends is given up');

# --- a model that is dropped, or of the same name in another database ---

query("SELECT predictor.create_model('doomed', options => '{}')");
query("SELECT predictor.train('doomed', wait => false)");
becomes("SELECT count(*) = 1 FROM predictor.training_progress() WHERE phase IN ('preparing', 'training', 'calibrating')",
	'a model that is being trained');
query("SELECT predictor.drop_model('doomed')");
becomes("SELECT state = 'cancelled' FROM predictor.training_jobs WHERE model = 'doomed'",
	'is dropped, and its training cancelled');
is(query("SELECT count(*) FROM predictor.models WHERE name = 'doomed'"), '0', 'for good');

query("ALTER SYSTEM SET predictor.max_trainings = 2; ALTER SYSTEM SET predictor.max_workers = 4; SELECT pg_reload_conf()");
query('CREATE DATABASE other');
set_up('other');
work(120, 'other');
query("SELECT predictor.train('m', wait => false)");
becomes("SELECT active_version = 1 FROM predictor.models", 'another database trains a model of the same name', 'other');
becomes("SELECT count(*) = 0 FROM predictor.training_jobs WHERE state IN ('requested', 'running')", 'beside ours');
is(query("SELECT state FROM predictor.training_jobs ORDER BY requested_at DESC LIMIT 1"), 'done', 'which ends as well');

# --- what the history may be like ---

query('SELECT predictor.reset_history()');
($code, $out, $err) = $node->psql('postgres', "SELECT predictor.train('m')");
like($err, qr/cannot be trained with \d recorded statements/, 'an empty history is said to be too little');
query(join(";\n", map { "SELECT count(*) FROM item WHERE kind = $_" } 1 .. 60) . ';SELECT predictor.flush()');
is(query("SELECT state FROM predictor.train('m', promote => false)"), 'done', 'one query is enough');
query('DROP TABLE item CASCADE; SELECT predictor.flush()');
is(query("SELECT state FROM predictor.train('m', promote => false)"), 'done', 'also when its table is gone');
is(query("SELECT count(*) FROM predictor.training_jobs WHERE state IN ('requested', 'running')"), '0', 'nothing is left undone');
$node->stop;

done_testing();
