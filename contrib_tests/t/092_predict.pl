# predictor.predict() and predict_total(): parameters, models side by side, where they work, how much they
# answer, and what careless input gets.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<'EOC');
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
EOC
$node->start;
$node->safe_psql('postgres', <<'EOS');
CREATE EXTENSION predictor;
CREATE TABLE item (id int PRIMARY KEY, day date, name text);
INSERT INTO item SELECT g, '2024-01-01'::date + g % 1000, CASE WHEN g <= 9000 THEN 'common' ELSE 'rare ' || g END FROM generate_series(1, 10000) g;
CREATE INDEX ON item (name);
VACUUM ANALYZE item;
CREATE DATABASE other;
SELECT predictor.create_model('m');
SELECT predictor.create_model('n');
EOS
my ($code, $out, $err);
sub query { return $node->safe_psql('postgres', "SET predictor.default_model = 'm'; $_[0]"); }
sub fails
{
	my ($sql, $pattern, $name) = @_;
	($code, $out, $err) = $node->psql('postgres', "SET predictor.default_model = 'm'; $sql");
	like($err, $pattern, $name);
	return;
}

# --- parameters ---

sub total { return "SELECT total_ms, rows FROM predictor.predict_total($_[0])"; }
is(query(total(q{'SELECT * FROM item WHERE name = $1', params => '{common}'})),
	query(total(q{$$SELECT * FROM item WHERE name = 'common'$$})), 'a parameter is as good as the constant');
isnt(query(total(q{'SELECT * FROM item WHERE name = $1', params => '{common}'})),
	query(total(q{'SELECT * FROM item WHERE name = $1', params => '{rare 9500}'})), 'and its value matters');
is(query(q{SELECT rows FROM predictor.predict_total('SELECT * FROM item WHERE day < $2 AND id = ANY ($1)', params => ARRAY['{1,2,3}', '2024-06-01'])}) < 10, 1,
	'the statement gives them their types');
is(query(q{SELECT count(*) FROM predictor.predict('SELECT $1', params => ARRAY[NULL])}), '1', 'NULL is a value');
is(query(q{SELECT count(*) FROM predictor.predict('SELECT 1', params => '{}')}), '1', 'no values for no parameters');
fails(q{SELECT predictor.predict_total('SELECT * FROM item WHERE id = $1', params => '{x}')},
	qr/invalid input syntax for type integer: "x"/, 'a value that is none is refused as PostgreSQL does');
fails(q{SELECT predictor.predict_total('SELECT * FROM item WHERE id = $2 AND name = $1', params => '{x}')},
	qr/the statement has 2 parameters, and 1 values were given/, 'too few values');
fails(q{SELECT predictor.predict_total('SELECT 1', params => '{x}')},
	qr/the statement has 0 parameters, and 1 values were given/, 'too many');
fails(q{SELECT predictor.predict_total('SELECT $1', params => '{{x,y},{z,w}}')}, qr/array of one dimension/, 'a matrix');
fails(q{SELECT predictor.predict_total('SELECT $2', params => '{x,y}')}, qr/could not determine data type of parameter \$1/, 'a gap');
fails(q{SELECT predictor.predict_total('SELECT * FROM item WHERE id = $1')}, qr/there is no parameter \$1/, 'no values at all');

# --- what is refused, and how ---

fails(q{SELECT predictor.predict_total('SELECT 1', 'nobody')}, qr/ERROR:  model "nobody" does not exist.*HINT:.*predictor\.models/s, 'an unknown model');
fails(q{SELECT predictor.predict_total('INSERT INTO item VALUES (1); DELETE FROM item')}, qr/only one statement/, 'several statements');
fails(q{SELECT predictor.predict_total('COPY item TO STDOUT')}, qr/utility statement has no plan/, 'a utility statement');
fails(q{SELECT predictor.predict_total('EXPLAIN SELECT 1')}, qr/utility statement has no plan/, 'EXPLAIN itself');
fails(q{RESET predictor.default_model; SELECT predictor.predict_total('SELECT 1')}, qr/several models in this database and none was named/, 'no model where there are several');
($code, $out, $err) = $node->psql('other', 'CREATE EXTENSION predictor; EXPLAIN (PREDICTOR m, COSTS OFF) SELECT 1');
like("$code$out", qr/^0Result$/, 'the model of another database: the plain plan');
like($err, qr/^(?:psql:\S+ )?WARNING:  no prediction: model "m" does not exist\n.*HINT: .*\S/, 'and one warning with the next step');
is(query(q{SELECT count(*) FROM item WHERE id = 10000}), '1', 'nothing of all that was run');

# --- the choice of a model ---

$node->safe_psql('postgres', q{CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA predictor TO app; GRANT SELECT ON item TO app;
	GRANT EXECUTE ON FUNCTION predictor.predict_total(text, name, text[]) TO app;
	ALTER ROLE app SET predictor.default_model = 'n'; ALTER DATABASE postgres SET predictor.default_model = 'm'});
my $which = "SELECT model_name FROM predictor.predict_total('SELECT * FROM item')";
is($node->safe_psql('postgres', $which), 'm', 'a database has its default model');
is($node->safe_psql('postgres', $which, extra_params => [ '-U', 'app' ]), 'n', 'a role has its own');
is($node->safe_psql('postgres', q{SELECT string_agg(model_name, ',' ORDER BY model_name) FROM unnest('{m,n}'::name[]) m, predictor.predict_total('SELECT * FROM item', m)}),
	'm,n', 'and several can be asked in one query');

# --- wherever one can read ---

my $ask = "SELECT total_ms > 0 FROM predictor.predict_total('SELECT * FROM item'); EXPLAIN (PREDICTOR, COSTS OFF) SELECT * FROM item";
my $answer = qr/^t\nSeq Scan on item\n  Predicted: time=.*\nPrediction: model=m version=0 /m;
like(query("BEGIN READ ONLY; $ask; COMMIT"), $answer, 'in a read-only transaction');
like(query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; $ask; COMMIT"), $answer, 'in a serializable one');
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
like($standby->safe_psql('postgres', $ask), $answer, 'on a hot standby');
$standby->promote;
like($standby->safe_psql('postgres', $ask), $answer, 'when recovery has just ended');
$standby->stop;

# --- large plans ---

sub union { return join(' UNION ALL ', ('SELECT id FROM item WHERE id = 1') x $_[0]); }
is(query("SELECT count(*) FROM predictor.predict(\$q\$" . union(2000) . "\$q\$)"), '2001', 'a plan of 2000 nodes is answered');
fails("SELECT predictor.predict_total(\$q\$" . union(6000) . "\$q\$)", qr/the statement cannot be predicted: the plan has more than 5000 nodes/, 'one of 6000 is declined in words');
($code, $out, $err) = $node->psql('postgres', 'EXPLAIN (PREDICTOR m) ' . union(6000));
like($err, qr/^(?:psql:\S+ )?WARNING:  no prediction: the plan has more than 5000 nodes$/m, 'by EXPLAIN in a warning');
is($code == 0 && $out =~ /Index Only Scan/, 1, 'with the plain plan');

$node->stop;

done_testing();
