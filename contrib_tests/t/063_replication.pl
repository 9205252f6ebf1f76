# Standbys: nothing is recorded there and nothing goes wrong; after promotion collection begins by itself. A synchronous
# standby that hangs keeps users' commits waiting, and not our workers.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $primary = new_server('primary', "predictor.operator_sample_rate = 1\npredictor.max_history = 1000\n", allows_streaming => 1);
$primary->safe_psql('postgres', 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)');
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# --- hot standby ---

$primary->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id < 10; SELECT predictor.flush()');
# our commits reach the disk, and so the standby, with the next one that waits for that
$primary->safe_psql('postgres', 'SET predictor.enabled = off; CREATE TABLE durable ()');
$primary->wait_for_catchup($standby);
my $there = 'SET predictor.enabled = off; SELECT count(*) FROM predictor.executions';
is($standby->safe_psql('postgres', $there), $primary->safe_psql('postgres', $there), 'history is replicated');
my $dropped = counter($standby, 'dropped_in_recovery');
my $stored = $standby->safe_psql('postgres', $there);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id < 20'), '19', 'a standby answers');
is(counter($standby, 'dropped_in_recovery') - $dropped, 1, 'what runs there is counted and dropped');
is($standby->safe_psql('postgres', 'SELECT predictor.flush()'), 'f', 'there is nothing to flush');
my ($code, $out, $err) = $standby->psql('postgres', "SET statement_timeout = '100ms'; SELECT count(*) FROM t, pg_sleep(10)");
like($err, qr/statement timeout/, 'a timeout there is a timeout');

# --- a synchronous standby that hangs ---

$primary->safe_psql('postgres', "ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf()");
ok(wait_for_sql($primary, 'postgres', 'SELECT sync_state FROM pg_stat_replication', 'sync'), 'the standby is synchronous');
my $receiver = $standby->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'");
kill 'STOP', $receiver;
my $session = open_session($primary, 'postgres', '-c predictor.enabled=off');
session_send($session, 'CREATE TABLE hangs ()');
ok(wait_for_sql($primary, 'postgres', "SELECT wait_event FROM pg_stat_activity WHERE pid = $session->{pid}", 'SyncRep'), 'it hangs, and a commit with it');
my $before = counters($primary);
# more than a segment of the history, so that one is emptied as well
$primary->safe_psql('postgres', "SET predictor.track = 'all'; DO 'BEGIN FOR i IN 1..400 LOOP PERFORM count(*) FROM t WHERE id = i; END LOOP; END'");
is($primary->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'our workers store and expire all the same');
my $after = counters($primary);
cmp_ok($after->{flushed} - $before->{flushed}, '>=', 400, 'what was captured meanwhile is stored');
kill 'CONT', $receiver;
session_ask($session, 'SELECT 1');
session_close($session);
$primary->safe_psql('postgres', "ALTER SYSTEM RESET synchronous_standby_names; SELECT pg_reload_conf()");

# --- promotion ---

$primary->wait_for_catchup($standby);
my $log = -s $standby->logfile;
$standby->promote;
ok(wait_for_sql($standby, 'postgres', 'SELECT predictor.flush()'), 'after promotion there is a launcher that flushes');
$stored = $standby->safe_psql('postgres', $there);
$standby->safe_psql('postgres', 'SELECT count(*) FROM t WHERE id < 30');
is($standby->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'collection has begun by itself');
is($standby->safe_psql('postgres', $there), $stored + 1, 'and stores');
unlike(slurp_file($standby->logfile, $log), qr/ERROR|WARNING.*predictor/, 'without a complaint');

$standby->stop;
$primary->stop;
done_testing();
