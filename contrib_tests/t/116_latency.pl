# While a request to an engine hangs, nobody else waits, and whoever waits for it can leave: cancelling, statement_timeout
# and DROP DATABASE of another database take no more than 200 ms longer than they do without such a request. Times are
# the median of several, so that a machine that is busy for a moment does not matter.
use strict;
use warnings FATAL => 'all';

use EngineTest;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;
use Time::HiRes qw(time);

my $place = PostgreSQL::Test::Utils::tempdir();
make_authority($place, 'primary.example');
# Accepts connections, and says nothing.
my $silent = IO::Socket::INET->new(Listen => 100, LocalAddr => '127.0.0.1') or die;
my $node = new_server('main', engine_settings($place, 'primary.example')
	  . 'predictor.engine_url = \'https://127.0.0.1:' . $silent->sockport . "'\npredictor.connect_timeout = 10min\n");
$node->safe_psql('postgres', <<'EOS');
SELECT predictor.create_model('m', auto_train => false);
-- milliseconds from asking a session to stop what it does until it has
CREATE FUNCTION cancel(backend integer) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
	since timestamptz := clock_timestamp();
BEGIN
	PERFORM pg_cancel_backend(backend);
	LOOP
		PERFORM pg_stat_clear_snapshot();
		EXIT WHEN EXISTS (SELECT FROM pg_stat_activity WHERE pid = backend AND state <> 'active');
		PERFORM pg_sleep(0.002);
	END LOOP;
	RETURN 1000 * extract(epoch FROM clock_timestamp() - since);
END
$$;
EOS

my $rounds = 5;
sub median { return (sort { $a <=> $b } @_)[ @_ / 2 ]; }

my $session = open_session($node, 'postgres', '-c predictor.enabled=off');
my $other = open_session($node, 'postgres', '-c predictor.enabled=off');

# The session is at the statement; of a training the worker is where it waits, too.
sub hangs
{
	my ($statement) = @_;
	(my $pattern = $statement) =~ s/'/''/g;
	session_send($session, $statement);
	ok(wait_for(sub {
		session_ask($other, "SELECT count(*) FROM pg_stat_activity WHERE pid = $session->{pid} AND state = 'active' AND query LIKE '$pattern%'") eq '1'
		  && ($statement !~ /train/ || session_ask($other, "SELECT count(*) FROM predictor.training_progress() WHERE phase = 'waiting for the engine'") eq '1') }),
		"$statement hangs");
	is(session_ask($other, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'predictor trainer' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)"),
		'0', 'without a transaction in the worker');
	return;
}

sub cancel_time
{
	my ($statement) = @_;
	hangs($statement);
	my $took = session_ask($other, "SELECT cancel($session->{pid})");
	is_over();
	return $took;
}

# The session goes on, and nothing is left of a training.
sub is_over
{
	session_ask($session, 'SELECT 1');
	wait_for(sub { session_ask($other, 'SELECT count(*) FROM predictor.training_progress()') eq '0' }) or die 'a training does not end';
	return;
}

# How much longer than asked for a statement_timeout of 100 ms takes.
sub timeout_time
{
	my ($statement) = @_;
	session_ask($session, "SET statement_timeout = '100ms'");
	my $since = time;
	session_ask($session, $statement);
	my $took = 1000 * (time - $since) - 100;
	session_ask($session, 'SET statement_timeout = 0');
	is_over();
	return $took;
}

sub drop_time
{
	session_ask($other, 'CREATE DATABASE bystander');
	my $since = time;
	session_ask($other, 'DROP DATABASE bystander');
	return 1000 * (time - $since);
}

# Without an engine, for comparison.
my $usual_cancel = median(map { cancel_time('SELECT pg_sleep(100)') } 1 .. $rounds);
my $usual_timeout = median(map { timeout_time('SELECT pg_sleep(100)') } 1 .. $rounds);
my $usual_drop = median(map { drop_time() } 1 .. $rounds);

sub is_prompt
{
	my ($name, $usual, @times) = @_;
	my $median = median(@times);
	note(sprintf '%s: %.1f ms, usually %.1f ms', $name, $median, $usual);
	cmp_ok($median - $usual, '<', 200, $name);
	return;
}

# check_engine() asks in the session itself; train() waits for a worker that asks.
foreach my $statement ('SELECT predictor.check_engine()', "SELECT predictor.train('m')")
{
	is_prompt("statement_timeout of $statement", $usual_timeout, map { timeout_time($statement) } 1 .. $rounds);
	is_prompt("cancelling $statement", $usual_cancel, map { cancel_time($statement) } 1 .. $rounds);
	hangs($statement);
	is_prompt("DROP DATABASE of another database beside $statement", $usual_drop, map { drop_time() } 1 .. $rounds);
	session_ask($other, "SELECT cancel($session->{pid})");
	is_over();
}

session_close($_) foreach $session, $other;
$node->stop;
done_testing();
