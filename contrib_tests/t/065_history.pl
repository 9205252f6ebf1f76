# History stays within its bounds: segments expire by number and by age, a reader is not disturbed, and nobody waits for long.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $node = new_server('main', "predictor.max_history = 1000\npredictor.track = all\n");
$node->safe_psql('postgres', 'SET predictor.enabled = off; CREATE TABLE t (id int PRIMARY KEY)');

# Unlike query texts make unlike plans, so that plans expire as well.
sub run_statements
{
	my ($count, $text) = @_;
	$node->safe_psql('postgres', "DO \$\$ BEGIN FOR i IN 1..$count LOOP EXECUTE 'SELECT count(*) $text FROM t WHERE id = ' || i; END LOOP; END \$\$");
	is($node->safe_psql('postgres', 'SET predictor.enabled = off; SELECT predictor.flush()'), 't', "$count statements are stored");
}

sub sql { return $node->safe_psql('postgres', join ";\n", 'SET predictor.enabled = off', @_) }

# --- by number ---

run_statements(300, '+ 1') for 1 .. 10;
my ($records, $newest) = split /\|/, sql('SELECT count(*), max(id) FROM predictor.execution');
cmp_ok($newest, '>=', 3000, 'three thousand records were stored');
# a segment grows by at most a transaction beyond its share
cmp_ok($records, '<=', 1000 + 256, 'of which about max_history are kept');
cmp_ok($records, '>=', 1000 - 256 - 125, 'and not much less');
is(sql('SELECT count(*) FROM predictor.execution WHERE id > ' . ($newest - 300)), '300', 'the newest of them');

# --- a reader ---

my $reader = open_session($node, 'postgres', '-c predictor.enabled=off');
session_ask($reader, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM predictor.execution');
run_statements(600, '+ 2');
is(session_ask($reader, 'SELECT count(*) FROM predictor.execution'), $records, 'a reader keeps what it sees');
is(sql('SELECT count(*) > ' . ($records + 500) . ' FROM predictor.execution'), 't', 'the segment grows meanwhile');
session_ask($reader, 'COMMIT');
session_close($reader);
run_statements(300, '+ 3') for 1 .. 8;
cmp_ok(sql('SELECT count(*) FROM predictor.execution'), '<=', 1000 + 600 + 256, 'and then segments expire again');

# --- by age ---

$node->append_conf('postgresql.conf', "predictor.retention = 8d\n");
$node->reload;
ok(wait_for_sql($node, 'postgres', 'SHOW predictor.retention', '8d'), 'history is kept for eight days');
my $oldest = sql('SELECT max(id) FROM predictor.execution');
run_statements(1, '+ 4');
is(sql("SELECT count(*) FROM predictor.execution WHERE id = $oldest"), '1', 'what is young stays');
# nine days go by
sql("UPDATE predictor.history_segment SET started_at = started_at - interval '9 days'",
	"UPDATE predictor.plan SET first_seen = first_seen - interval '9 days'");
run_statements(1, "+ $_") for 5 .. 14;
is(sql("SELECT count(*) FROM predictor.execution WHERE id <= $oldest"), '0', 'what is too old goes, a segment with each flush');
cmp_ok(sql('SELECT count(*) FROM predictor.execution'), '>', 0, 'what is new stays');
is(sql('SELECT count(*) FROM predictor.execution e WHERE NOT EXISTS (SELECT 1 FROM predictor.plan p WHERE p.signature = e.signature)'),
	'0', 'each with its plan');
is(sql("SELECT count(*) FROM predictor.plan p WHERE first_seen < now() - interval '1 day' AND NOT EXISTS (SELECT 1 FROM predictor.execution e WHERE e.signature = p.signature)"),
	'0', 'and plans without executions go, too');

$node->stop;
done_testing();
