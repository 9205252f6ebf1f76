# What a careless or a hostile user may do: no preloading, relations that look like ours, statements made
# to blow up our walk over the plan, and statements that cannot be predicted.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($code, $out, $err);
my $conf = slurp_file($ENV{PREDICTOR_TEST_CONF});

# --- not preloaded ---

my $bare = PostgreSQL::Test::Cluster->new('bare');
$bare->init;
(my $without = $conf) =~ s/^shared_preload_libraries.*\n//mg;
$without =~ s/^predictor\..*\n//mg;
$bare->append_conf('postgresql.conf', $without);
$bare->start;
$bare->safe_psql('postgres', 'CREATE EXTENSION predictor; SELECT predictor.create_model($$m$$)');
foreach my $call ('predictor.flush()', "predictor.predict_total('SELECT 1')", "predictor.train('m')", 'predictor.counters()')
{
	($code, $out, $err) = $bare->psql('postgres', "SELECT * FROM $call");
	like($err, qr/not loaded when the server started.*HINT:.*shared_preload_libraries = 'predictor'/s,
		"$call says what to put into postgresql.conf");
}
is($bare->safe_psql('postgres', 'SELECT 1'), '1', 'and the server goes on');
$bare->stop;

# --- look-alikes in a database without the extension ---

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf('postgresql.conf', $conf);
$node->start;
$node->safe_psql('postgres', 'CREATE ROLE mallory; GRANT CREATE ON DATABASE postgres TO mallory');
foreach my $relation ('TABLE predictor.model (a int, b int, c int, d int, e int)',
	'VIEW predictor.model AS SELECT 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e')
{
	my ($kind) = $relation =~ /^(\w+)/;
	$node->safe_psql('postgres', "SET ROLE mallory; CREATE SCHEMA predictor; CREATE $relation");
	$node->safe_psql('postgres', 'INSERT INTO predictor.model VALUES (1, 2, 3, 4, 5)') if $kind eq 'TABLE';
	($code, $out, $err) = $node->psql('postgres', 'SET ROLE mallory; EXPLAIN (PREDICTOR) SELECT 1');
	is($code, 0, "a $kind that looks like ours does no harm");
	like($err, qr/no prediction: .*not installed/, 'and is not taken for ours');
	($code, $out, $err) = $node->psql('postgres', 'CREATE EXTENSION predictor');
	like($err, qr/schema "predictor" exists already, and is not empty or not a superuser/,
		"CREATE EXTENSION refuses a schema that is somebody else's");
	$node->safe_psql('postgres', 'DROP SCHEMA predictor CASCADE');
}

# --- a plan in which each level uses the one below twice ---

$node->safe_psql('postgres', 'CREATE EXTENSION predictor; CREATE TABLE t (k int, m int); INSERT INTO t VALUES (1, 1)');
$node->safe_psql('postgres', 'SELECT predictor.flush()');
my $nested = 'SELECT k, m FROM t';
$nested = "SELECT k, greatest(max(m), min(m)) AS m FROM ($nested) s GROUP BY k" for 1 .. 40;
is( $node->safe_psql('postgres', "SET statement_timeout = '60s'; SELECT k FROM ($nested) s GROUP BY k HAVING max(m) > 0"),
	'1', 'forty doublings are not followed to the end');
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'and such a statement is stored');

# --- statements that cannot be predicted ---

my %refused = (
	'SELECT 1; SELECT 2' => qr/only one statement/,
	'' => qr/no statement to predict/,
	'VACUUM' => qr/utility statement has no plan/,
	'SELECT * FROM nowhere' => qr/relation "nowhere" does not exist/,
	'SELECT $1' => qr/there is no parameter \$1/,
	'SELEC 1' => qr/syntax error/);
$node->safe_psql('postgres', "SELECT predictor.create_model('m')");
foreach my $query (sort keys %refused)
{
	($code, $out, $err) = $node->psql('postgres', "SELECT * FROM predictor.predict(\$q\$$query\$q\$)");
	like($err, $refused{$query}, "\"$query\" is refused clearly");
}
($code, $out, $err) = $node->psql('postgres', 'SELECT * FROM predictor.predict(NULL)');
like($err, qr/must not be null/, 'and so is NULL');
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server goes on');
$node->stop;

done_testing();
