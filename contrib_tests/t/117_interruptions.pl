# A training that is interrupted in each of its phases, by the end of its worker, of the server or of the engine: it is
# taken up again without anybody asking, and there is one result, promoted once.
use strict;
use warnings FATAL => 'all';

use EngineTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

# An engine elsewhere for most of it, since the server's own is niced, and waits for its turn on a busy machine.
my $place = PostgreSQL::Test::Utils::tempdir();
make_authority($place, 'primary.example');
my $engine = start_engine($place);
my $node = new_server('main', engine_settings($place, 'primary.example')
	  . "predictor.engine_url = '$engine->{url}'\npredictor.operator_sample_rate = 1\nmax_parallel_workers_per_gather = 0\nrestart_after_crash = on\n");
sub query { return $node->safe_psql('postgres', "SET predictor.enabled = off; $_[0]"); }

$node->safe_psql('postgres', <<'EOS');
CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 2000) g;
ANALYZE item;
SELECT predictor.flush();
SELECT predictor.create_model('m', auto_train => false, keep_versions => 50, options => '{"max_epochs": 60}'),
	predictor.create_model('quick', template => 'cache', auto_train => false, keep_versions => 50);
EOS
$node->safe_psql('postgres', join(";\n", map { ("SELECT count(*) FROM item WHERE kind < $_", "SELECT kind, count(*) FROM item WHERE id > $_ GROUP BY 1") } 1 .. 60)
	  . ';SELECT predictor.flush()');

# --- ways to interrupt ---

my %ways = (
	'the worker is terminated' => sub { query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'predictor trainer'") },
	'the worker is killed, and the server recovers' => sub {
		kill 'KILL', query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'predictor trainer'");
		ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'predictor launcher'", '1'), 'the server is back');
	},
	'the server is stopped at once' => sub { $node->stop('immediate'); $node->start; },
	'the engine is killed, and starts again' => sub { kill_engine($engine); $engine = start_engine($place, address => $engine->{address}) },
	'the engine is killed, and starts again with nothing' => sub { kill_engine($engine); $engine = start_engine($place, address => $engine->{address}, store => "$place/nothing") });

# --- phases, each with what makes a training stay in it ---

# A session that holds a lock; gone with the server, at the latest.
my $session;
sub lock_table
{
	my ($table, $mode) = @_;
	$session = open_session($node, 'postgres', '-c predictor.enabled=off');
	session_ask($session, "BEGIN; LOCK TABLE predictor.$table IN $mode MODE");
	return;
}
sub unlock_table { eval { session_close($session) }; undef $session; return; }

my %phases = (
	'reading history' => [ sub { lock_table('execution', 'ACCESS EXCLUSIVE') }, \&unlock_table ],
	'storing the model' => [ sub { lock_table('model_version', 'SHARE ROW EXCLUSIVE') }, \&unlock_table ],
	'training' => [ sub { }, sub { } ]);

sub interrupt
{
	my ($phase, $way, $model) = @_;
	my ($hold, $release) = @{ $phases{$phase} };
	my $shown = $phase eq 'training' ? "'preparing', 'training', 'calibrating'" : "'$phase'";
	my $versions = query("SELECT versions FROM predictor.models WHERE name = '$model'");
	$hold->();
	my $job = query("SELECT job FROM predictor.train('$model', wait => false)");
	ok(wait_for_sql($node, 'postgres', "SELECT count(*) FROM predictor.training_progress() WHERE job = '$job' AND phase IN ($shown)", '1'), "$phase: $way");
	$ways{$way}->();
	$release->();
	ok(wait_for_sql($node, 'postgres', "SELECT state, promoted = (SELECT v.verdict ->> 'outcome' = 'promoted' FROM predictor.model_versions v WHERE v.job = j.job)"
			  . " FROM predictor.training_jobs j WHERE job = '$job'", 'done|t'), 'the job is done in the end');
	is(query("SELECT versions FROM predictor.models WHERE name = '$model'"), $versions + 1, 'with one result');
	return query("SELECT attempts FROM predictor.training_jobs WHERE job = '$job'");
}

is(interrupt('reading history', 'the worker is terminated', 'quick'), 2, 'a second attempt');
# The first one's commit waits for no disk, so it may be forgotten.
like(interrupt('reading history', 'the server is stopped at once', 'quick'), qr/^[12]$/, 'a second attempt');
is(interrupt('training', 'the worker is killed, and the server recovers', 'm'), 2, 'a second attempt');
is(interrupt('training', 'the engine is killed, and starts again', 'm'), 1, 'it is waited for');
is(interrupt('training', 'the engine is killed, and starts again with nothing', 'm'), 2, 'a second attempt');
is(interrupt('storing the model', 'the worker is terminated', 'quick'), 2, 'a second attempt');
like(interrupt('storing the model', 'the server is stopped at once', 'quick'), qr/^[12]$/, 'a second attempt');
is(interrupt('storing the model', 'the engine is killed, and starts again', 'quick'), 1, 'it is not needed any more');
is(query("SELECT count(*) FROM predictor.training_jobs WHERE state <> 'done'"), '0', 'no job is lost');
is(query("SELECT count(*) FROM predictor.model_version WHERE version > 0"), query('SELECT count(*) FROM predictor.training_job'), 'and none has two results');

stop_engine($engine);
$node->stop;
done_testing();
