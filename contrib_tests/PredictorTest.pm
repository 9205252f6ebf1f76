# What several of our tests need: a server with Predictor, its counters, sessions that stay open, waiting for a condition.
package PredictorTest;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT = qw(new_server counter counters wait_for wait_for_sql open_session session_ask session_send session_close);

# A server that records everything, with the extension in database postgres; further settings may follow.
sub new_server
{
	my ($name, $settings, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%init);
	$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
	$node->append_conf('postgresql.conf', <<"EOC");
predictor.max_captures_per_second = 100000
predictor.flush_interval = 200ms
jit = off
autovacuum = off
$settings
EOC
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION predictor; SELECT predictor.flush()');
	return $node;
}

sub counter
{
	my ($node, $name) = @_;
	return $node->safe_psql('postgres',
		"SET predictor.enabled = off; SELECT value FROM predictor.stat WHERE name = '$name'");
}

sub counters
{
	my ($node) = @_;
	my $rows = $node->safe_psql('postgres', 'SET predictor.enabled = off; SELECT name, value FROM predictor.stat');
	return { map { split /\|/ } split /\n/, $rows };
}

# Calls the function until it is true; false after three minutes.
sub wait_for
{
	my ($condition) = @_;
	for (1 .. 1800)
	{
		return 1 if $condition->();
		usleep(100_000);
	}
	return 0;
}

# Asks until the answer is this one. Ours is not captured.
sub wait_for_sql
{
	my ($node, $database, $sql, $expected) = @_;
	return wait_for(sub {
		# dies when the server goes away while psql starts
		my ($code, $out) = eval { $node->psql($database, "SET predictor.enabled = off; $sql") };
		return defined $code && $code == 0 && $out eq ($expected // 't');
	});
}

# A psql that stays connected.
sub open_session
{
	my ($node, $database, $options) = @_;
	my $session = { in => '', out => '', err => '' };

	local $ENV{PGOPTIONS} = $options // '';
	$session->{run} = IPC::Run::start(
		[ $node->installed_command('psql'), '-XqAt', '-f', '-', '-d', $node->connstr($database) ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timeout(180));
	$session->{pid} = session_ask($session, 'SELECT pg_backend_pid()');
	return $session;
}

# Sends without waiting for the answer.
sub session_send
{
	my ($session, $sql) = @_;
	$session->{in} .= "$sql;\n";
	$session->{run}->pump_nb;
}

sub session_ask
{
	my ($session, $sql) = @_;
	$session->{out} = '';
	$session->{in} .= "$sql;\n\\echo [done]\n";
	$session->{run}->pump until $session->{out} =~ /^\[done\]$/m;
	(my $answer = $session->{out}) =~ s/\n*\[done\]\n.*//s;
	return $answer;
}

sub session_close
{
	my ($session) = @_;
	$session->{in} .= "\\q\n";
	eval { $session->{run}->finish };
}

1;
