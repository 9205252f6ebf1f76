# Library and SQL of different versions: after a library was installed and before ALTER EXTENSION UPDATE, and after a
# library was put back. Statements run, whoever asks for predictions is told, and an update brings everything back.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

# An installation of our own, with scripts of versions before and after this one.
my $installation = PostgreSQL::Test::Utils::tempdir() . '/stage';
system('cp', '-r', $ENV{PREDICTOR_STAGE}, $installation) == 0 or die;
(my $conf = slurp_file($ENV{PREDICTOR_TEST_CONF})) =~ s/\Q$ENV{PREDICTOR_STAGE}\E/$installation/g;
my ($scripts) = map { chomp; s{/predictor\.control$}{}r } `find $installation -name predictor.control`;
append_to_file("$scripts/predictor--1.0--1.next.sql", "CREATE FUNCTION predictor.of_the_next() RETURNS integer LANGUAGE sql AS 'SELECT 1';\n");
append_to_file("$scripts/predictor--1.next--1.0.sql", "DROP FUNCTION predictor.of_the_next();\n");
append_to_file("$scripts/predictor--0.9--1.0.sql", "CREATE TABLE predictor.of_the_update ();\n");

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', $conf);
$node->append_conf('postgresql.conf', "predictor.max_captures_per_second = 100000\njit = off\nautovacuum = off\n");
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }
my $count = 'SET predictor.enabled = off; SELECT count(*) FROM predictor.execution';
my $answer = "SELECT total_ms, source, version FROM predictor.predict_total('SELECT count(*) FROM pg_class')";

query('CREATE EXTENSION predictor; SELECT predictor.flush()');
query("SELECT predictor.create_model('m', auto_train => false)");
query('SELECT count(*) FROM pg_class; SELECT predictor.flush()');
my $predicted = query($answer);
my $key = query('SELECT id FROM predictor.hash_key');

# Everything works: what runs is recorded, and the model answers as at first.
sub works
{
	my ($when) = @_;
	ok(wait_for_sql($node, 'postgres', "SELECT count(*) = 1 FROM pg_extension WHERE extname = 'predictor' AND extversion = '1.0'"), "$when: version 1.0");
	ok(wait_for(sub { ($node->psql('postgres', $answer))[1] eq $predicted }), "$when: the model answers as before");
	my $before = query($count);
	query('SELECT count(*) FROM pg_attribute; SELECT predictor.flush()');
	cmp_ok(query($count), '>', $before, "$when: statements are recorded");
	is(query('SELECT id FROM predictor.hash_key'), $key, "$when: under the same key");
	return;
}

# Nothing works, and each of our functions says why.
sub says_so
{
	my ($version, $when) = @_;
	my $message = qr/does not work with version \Q$version\E of its SQL.*\nHINT:  Run ALTER EXTENSION predictor UPDATE/s;
	ok(wait_for(sub { ($node->psql('postgres', $answer))[2] =~ $message }), "$when: predict_total() says what to do");
	foreach my $call ("train('m')", 'check_engine()', 'counters()', 'serving_models()', 'training_progress()', "import_plan('{}')", 'certificates()')
	{
		my ($code, $out, $err) = $node->psql('postgres', "SELECT * FROM predictor.$call");
		like($err, qr/ERROR:  .*$message/, "$when: so does $call");
	}
	my $before = query($count);
	is(query('SELECT count(*) > 0 FROM pg_attribute; SELECT predictor.flush()'), "t\nt", "$when: statements run");
	is(query($count), $before, "$when: and are not recorded");
	ok($node->log_contains(qr/WARNING:  predictor does nothing in database "postgres": the library does not work with version \Q$version\E of the SQL/),
		"$when: which is in the log");
	return;
}

works('at first');
my ($code, $out, $err) = $node->psql('postgres', 'ALTER EXTENSION predictor UPDATE');
like($err, qr/NOTICE:  version "1\.0" of extension "predictor" is already installed/, 'an update to the same version is none');
works('afterwards');

query("ALTER EXTENSION predictor UPDATE TO '1.next'");
says_so('1.next', 'SQL of a later version');
$node->restart;
says_so('1.next', 'the same after a restart');
query("ALTER EXTENSION predictor UPDATE TO '1.0'");
works('put back');

# what a new library meets where the SQL was installed by the one before
query("UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'predictor'");
$node->restart;
says_so('0.9', 'SQL of an earlier version');
query("BEGIN; ALTER EXTENSION predictor UPDATE; ROLLBACK");
says_so('0.9', 'an update that is rolled back');
$node->backup('base');
query('ALTER EXTENSION predictor UPDATE');
works('updated');
is(query("SELECT count(*) FROM pg_class WHERE relname = 'of_the_update'"), '1', 'by the script');
is(query("SELECT count(*) FROM pg_extension e, unnest(extconfig) t WHERE extname = 'predictor' AND t::regclass::text LIKE 'predictor.%'"), '3',
	'what is dumped is what was dumped before');

# a standby made before the update
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
ok(wait_for(sub { ($standby->psql('postgres', $answer))[1] eq $predicted }), 'a standby that replays the update answers as well');

$standby->stop;
$node->stop;
done_testing();
