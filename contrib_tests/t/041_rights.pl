# Who may do what: four roles against every function, view and table of the extension; row-level security;
# roles that prepare traps for a superuser who installs or uses it; and what a dump carries.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', "predictor.max_captures_per_second = 100000\nmax_prepared_transactions = 2\n");
$node->start;

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# The SQLSTATE of a statement as a role; 00000 if it works.
sub state_of
{
	my ($role, $statement) = @_;
	my ($code, $out, $err) = $node->psql('postgres',
		"\\set VERBOSITY verbose\nSET SESSION AUTHORIZATION $role;\n$statement;");
	return $err =~ /ERROR:\s+([0-9A-Z]{5}):/ ? $1 : '00000';
}

query(<<'EOS');
CREATE EXTENSION predictor;
CREATE ROLE nobody LOGIN;
CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
CREATE ROLE administrator LOGIN;
CREATE ROLE reader LOGIN IN ROLE pg_read_all_data;
SELECT predictor.grant_admin('administrator');
SELECT predictor.create_model('m');
EOS

# --- the matrix ---

# Every function is an action, a source of views, or internal. Who may read a view may call its functions; a new
# action must be named here.
my @actions = qw(create_model alter_model drop_model activate train cancel_training ask_training reset_history
  check_engine import_plan flush predict predict_total measure);
my @sources = split /\n/, query(<<'EOS');
SELECT DISTINCT p.proname FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
JOIN pg_proc p ON d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
WHERE p.pronamespace = 'predictor'::regnamespace
EOS
# read as if it were a view
push @sources, 'training_due';
my %kind = ((map { $_ => 'action' } @actions), (map { $_ => 'source' } @sources));
my $functions = query(<<'EOS');
SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'predictor'
EOS
sub may_execute
{
	my ($role) = @_;
	return { map { my ($name, $may) = split /\|/; ($name => $may) } split /\n/, query(
			"SELECT p.proname, bool_and(has_function_privilege('$role', p.oid, 'EXECUTE')) FROM pg_proc p "
			  . "WHERE p.pronamespace = 'predictor'::regnamespace GROUP BY 1") };
}

# initdb names the superuser after whoever runs it
my $superuser = query('SELECT current_user');
my %expected = (
	nobody => { action => 'f', source => 'f', internal => 'f' },
	monitor => { action => 'f', source => 't', internal => 'f' },
	administrator => { action => 't', source => 't', internal => 'f' },
	$superuser => { action => 't', source => 't', internal => 't' });
foreach my $role (sort keys %expected)
{
	my $may = may_execute($role);
	my @wrong = grep { $may->{$_} ne $expected{$role}{ $kind{$_} // 'internal' } } split /\n/, $functions;
	is(join(' ', @wrong), '', "$role may execute what it should, and nothing else");
}

my %relations = (
	nobody => { v => 'f', r => 'f', p => 'f', S => 'f' },
	monitor => { v => 't', r => 'f', p => 'f', S => 'f' },
	administrator => { v => 't', r => 'f', p => 'f', S => 'f' },
	$superuser => { v => 't', r => 't', p => 't', S => 't' });
foreach my $role (sort keys %relations)
{
	my @wrong = grep {
		my ($name, $type, $may) = split /\|/;
		$may ne $relations{$role}{$type}
	} split /\n/, query("SELECT relname, relkind, CASE WHEN relkind = 'S' THEN has_sequence_privilege('$role', oid, 'USAGE') "
		  . "ELSE has_table_privilege('$role', oid, 'SELECT') END "
		  . "FROM pg_class WHERE relnamespace = 'predictor'::regnamespace AND relkind IN ('v', 'r', 'p', 'S')");
	is(join(' ', @wrong), '', "$role may read what it should, and nothing else");
}
is(query("SELECT count(*) FROM pg_class c, (VALUES ('nobody'), ('monitor'), ('administrator')) r (name) "
	  . "WHERE relnamespace = 'predictor'::regnamespace AND relkind IN ('v', 'r', 'p') "
	  . "AND (has_table_privilege(r.name, oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))"),
	'0', 'nobody but superusers writes');

# and as it comes out
my @cases = (
	[ 'SELECT * FROM predictor.models', '42501', '00000', '00000' ],
	[ 'SELECT * FROM predictor.executions', '42501', '00000', '00000' ],
	[ 'SELECT * FROM predictor.plan_nodes', '42501', '00000', '00000' ],
	[ 'SELECT * FROM predictor.engine', '42501', '00000', '00000' ],
	[ 'SELECT * FROM predictor.stat', '42501', '00000', '00000' ],
	[ "SELECT predictor.create_model('x'), predictor.drop_model('x')", '42501', '42501', '00000' ],
	[ 'SELECT predictor.flush()', '42501', '42501', '00000' ],
	[ 'SELECT predictor.reset_history()', '42501', '42501', '00000' ],
	[ "SELECT * FROM predictor.predict('SELECT 1', 'm')", '42501', '42501', '00000' ],
	[ 'SELECT * FROM predictor.hash_key', '42501', '42501', '42501' ],
	[ 'SELECT * FROM predictor.execution', '42501', '42501', '42501' ],
	[ 'SELECT predictor.announce()', '42501', '42501', '42501' ],
	[ "SELECT predictor.grant_admin('nobody')", '42501', '42501', '42501' ],
	[ 'SET predictor.enabled = off', '42501', '42501', '42501' ],
	[ "SET predictor.capture = 'off'", '42501', '42501', '42501' ],
	[ 'SET predictor.max_predicted_time = 1', '42501', '42501', '42501' ],
	[ "SET predictor.engine_url = 'https://elsewhere'", '55P02', '55P02', '55P02' ],
	[ "SET predictor.ssl_passphrase_command = 'touch /tmp/x'", '55P02', '55P02', '55P02' ],
	[ 'SHOW predictor.ssl_key_file', '42501', '42501', '42501' ],
	[ "SET predictor.default_model = 'm'", '00000', '00000', '00000' ]);
foreach my $case (@cases)
{
	my ($statement, @states) = @$case;
	# who reads all settings sees those too
	$states[1] = '00000' if $statement =~ /^SHOW/;
	is(join(' ', map { state_of($_, $statement) } qw(nobody monitor administrator)), "@states", $statement);
}
is(state_of('reader', 'SELECT count(*) FROM predictor.hash_key'), '42501', 'whoever may read all data cannot reach the key')
  if state_of('reader', 'SELECT 1 FROM predictor.models') eq '42501';
is(query("SET SESSION AUTHORIZATION reader; SELECT count(*) FROM predictor.hash_key"), '0', 'nor sees it where it can')
  if state_of('reader', 'SELECT 1 FROM predictor.models') eq '00000';
is(query('SELECT count(*), bool_and(id <> 0 AND length(key) = 16) FROM predictor.hash_key'), '1|t', 'there is one key');

# revoked again
query("SELECT predictor.revoke_admin('administrator')");
is(join(' ', grep { may_execute('administrator')->{$_} ne 'f' } split /\n/, $functions), '', 'an administrator no more');
query("SELECT predictor.grant_admin('administrator')");

# --- no function takes a URL, a path or a secret, and names are looked up where they should be ---

is(query("SELECT count(*) FROM pg_proc p, unnest(p.proargnames[1:p.pronargs]) a (name) "
	  . "WHERE p.pronamespace = 'predictor'::regnamespace AND a.name ~ '(url|host|path|file|password|secret|key)\$' "
	  . "AND p.proname <> 'cost_bundle'"), '0', 'no parameter is a place or a secret');
is(query("SELECT string_agg(p.proname, ' ' ORDER BY p.proname) FROM pg_proc p WHERE p.pronamespace = 'predictor'::regnamespace "
	  . "AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)"),
	'measure predict predict_total', "search_path is pinned, but where the caller's statement is looked up");

# --- a prediction asks for the rights that running would ---

query(<<'EOS');
CREATE TABLE secret (owner text, amount int);
INSERT INTO secret SELECT CASE g % 2 WHEN 0 THEN 'administrator' ELSE 'other' END, g FROM generate_series(1, 1000) g;
CREATE TABLE friend (name text PRIMARY KEY);
GRANT SELECT ON friend TO PUBLIC;
CREATE TABLE tenant (owner text, amount int);
INSERT INTO tenant SELECT * FROM secret;
ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON tenant USING (owner = current_user OR owner IN (SELECT name FROM friend));
GRANT SELECT ON tenant TO administrator;
CREATE FUNCTION peek() RETURNS int LANGUAGE plpgsql STABLE AS $$BEGIN RAISE NOTICE 'peeked'; RETURN 1; END$$;
ANALYZE;
EOS
foreach my $function ('predict', 'predict_total')
{
	is(state_of('administrator', "SELECT * FROM predictor.$function('$_', 'm')"), '42501', "$function: $_")
	  foreach ('SELECT * FROM secret', 'SELECT amount FROM secret WHERE amount = 1', 'DELETE FROM secret',
		'INSERT INTO friend VALUES (1)', 'UPDATE tenant SET amount = 1');
	is(state_of('administrator', "SELECT * FROM predictor.$function('SELECT * FROM tenant', 'm')"), '00000',
		"$function of a table that may be read");
}
is(state_of('administrator', 'EXPLAIN (PREDICTOR m) SELECT * FROM secret'), '42501', 'EXPLAIN asks for the same');
my $nodes = "SELECT string_agg(node, ' ' ORDER BY path) FROM predictor.predict('SELECT * FROM tenant', 'm')";
my $plain = query($nodes);
my $secured = query("SET SESSION AUTHORIZATION administrator; $nodes");
is($plain, 'Seq Scan', "the owner's plan has one node");
like($secured, qr/Seq Scan.*(Seq Scan|Index)/, "a policy's sub-plan is part of the plan of who it is for");
query("SET SESSION AUTHORIZATION administrator; SELECT * FROM predictor.predict('SELECT * FROM tenant', 'm')");
is(state_of('administrator', "SET row_security = off; SELECT * FROM predictor.predict('SELECT * FROM tenant', 'm')"), '42501',
	'row_security = off refuses rather than filters');

# what one runs, another does not see: no text, no predicate, no constant
query("SET SESSION AUTHORIZATION nobody; SELECT 'opossum' WHERE 'wallaby' <> 'kangaroo'");
query('SELECT predictor.flush()');
unlike(query("SELECT string_agg(v::text, ' ') FROM (SELECT e::text AS v FROM predictor.executions e UNION ALL "
	  . "SELECT n::text FROM predictor.plan_nodes n UNION ALL SELECT p::text FROM predictor.plans p) x"),
	qr/opossum|wallaby|kangaroo|secret|tenant/, 'views show no text of statements');

# --- traps for a superuser ---

query("CREATE DATABASE trap; ALTER DATABASE trap OWNER TO nobody");
my $trap = <<'EOS';
CREATE FUNCTION %1$s.spring() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS
  'BEGIN IF current_setting($$is_superuser$$) = $$on$$ THEN EXECUTE $$ALTER ROLE nobody SUPERUSER$$; END IF; END';
CREATE FUNCTION %1$s.trap_oid(oid, regrole) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN false; END';
CREATE OPERATOR %1$s.<> (LEFTARG = oid, RIGHTARG = regrole, FUNCTION = %1$s.trap_oid);
CREATE OPERATOR %1$s.= (LEFTARG = oid, RIGHTARG = regrole, FUNCTION = %1$s.trap_oid);
CREATE FUNCTION %1$s.trap_int(integer, smallint) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN true; END';
CREATE OPERATOR %1$s.= (LEFTARG = integer, RIGHTARG = smallint, FUNCTION = %1$s.trap_int);
CREATE FUNCTION %1$s.trap_name(name, name) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN true; END';
CREATE OPERATOR %1$s.= (LEFTARG = name, RIGHTARG = name, FUNCTION = %1$s.trap_name);
CREATE FUNCTION %1$s.trap_text(text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN true; END';
CREATE OPERATOR %1$s.= (LEFTARG = text, RIGHTARG = text, FUNCTION = %1$s.trap_text);
CREATE OPERATOR %1$s.<> (LEFTARG = text, RIGHTARG = text, FUNCTION = %1$s.trap_text);
CREATE FUNCTION %1$s.now() RETURNS timestamptz LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN NULL; END';
CREATE FUNCTION %1$s.format(text, name) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN NULL; END';
CREATE FUNCTION %1$s.count(integer) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN 0; END';
CREATE FUNCTION %1$s.encode(bytea, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN PERFORM %1$s.spring(); RETURN NULL; END';
EOS
sub set_traps
{
	my ($schema, @more) = @_;
	$node->safe_psql('trap', join "\n", 'SET SESSION AUTHORIZATION nobody;', @more, sprintf($trap, $schema));
	return;
}
sub is_untouched
{
	my ($name) = @_;
	is(query("SELECT rolsuper FROM pg_roles WHERE rolname = 'nobody'"), 'f', $name);
	return;
}

# the trap is one: a superuser who is as careless as can be steps into it
set_traps('bait', 'CREATE SCHEMA bait;');
$node->safe_psql('trap', 'SET search_path = bait, pg_catalog; SELECT now()');
is(query("SELECT rolsuper FROM pg_roles WHERE rolname = 'nobody'"), 't', 'the traps work');
query('ALTER ROLE nobody NOSUPERUSER');

# 1. the schema was there before, with the traps in it
set_traps('predictor', 'CREATE SCHEMA predictor;');
my ($code, $out, $err) = $node->psql('trap', 'CREATE EXTENSION predictor');
like($err, qr/schema "predictor" exists already, and is not empty or not a superuser's alone/, "somebody's schema is refused");
is_untouched('and nothing in it was run');
query("DROP SCHEMA predictor CASCADE", 'trap');

# 2. it is empty and a superuser's, but others may create in it, or have
query('CREATE SCHEMA predictor; GRANT CREATE, USAGE ON SCHEMA predictor TO nobody', 'trap');
($code, $out, $err) = $node->psql('trap', 'CREATE EXTENSION predictor');
like($err, qr/exists already/, 'a schema in which others may create is refused');
set_traps('predictor');
query('REVOKE CREATE ON SCHEMA predictor FROM nobody', 'trap');
($code, $out, $err) = $node->psql('trap', 'SET search_path = predictor, public; CREATE EXTENSION predictor');
like($err, qr/exists already/, 'so is one in which they have');
is_untouched('and nothing in it was run');
query("DROP SCHEMA predictor CASCADE", 'trap');

# 3. an empty one is fine; the traps are in the superuser's search_path, before pg_catalog and in pg_temp
query('CREATE SCHEMA predictor; GRANT USAGE ON SCHEMA predictor TO pg_monitor', 'trap');
$node->safe_psql('trap', <<'EOS');
SET search_path = bait, pg_temp, pg_catalog, public;
CREATE EXTENSION predictor;
CREATE TEMP TABLE model (name name, uuid uuid, active_version integer);
CREATE TEMP TABLE pg_depend (classid oid, objid oid, refclassid oid, refobjid oid, deptype "char");
SELECT predictor.create_model('m');
SELECT predictor.alter_model('m');
SELECT predictor.activate('m', 0);
SELECT predictor.grant_admin('administrator');
SELECT predictor.revoke_admin('administrator');
SELECT predictor.flush();
SELECT * FROM predictor.models; SELECT * FROM predictor.model_versions; SELECT * FROM predictor.training_jobs;
SELECT * FROM predictor.executions; SELECT * FROM predictor.plan_nodes; SELECT * FROM predictor.plans;
SELECT * FROM predictor.plan_statistics; SELECT * FROM predictor.serving; SELECT * FROM predictor.stat;
SELECT * FROM predictor.engine;
SELECT predictor.reset_history();
SELECT predictor.drop_model('m');
EOS
is_untouched('no view and no function steps into a trap of the search_path');

# 4. the workers neither: they are superusers in the attacker's database
query("ALTER DATABASE trap SET search_path = bait, pg_catalog; ALTER ROLE \"$superuser\" IN DATABASE trap SET search_path = bait, pg_catalog");
$node->safe_psql('trap', 'SET search_path = pg_catalog; SELECT predictor.create_model($$m$$); SELECT count(*) FROM pg_class; SELECT predictor.flush()');
cmp_ok($node->safe_psql('trap', 'SET search_path = pg_catalog; SELECT count(*) FROM predictor.executions'), '>', 0, 'a worker has stored something');
$node->psql('trap', 'SET search_path = pg_catalog; SELECT predictor.train($$m$$)');
is_untouched('no worker steps into a trap either');

# --- what a dump carries ---

my $key = query('SELECT id, key FROM predictor.hash_key');
query('CREATE DATABASE restored');
my $dump = $node->backup_dir . '.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'the database is dumped');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump, '-o', '/dev/null' ],
	'and restored');
is(query('SELECT id, key FROM predictor.hash_key', 'restored'), $key, 'the key has come with it, in the place of the new one');
is(query('SELECT name FROM predictor.models', 'restored'), 'm', 'and so have the models');
is(query("SELECT has_function_privilege('administrator', 'predictor.flush()', 'EXECUTE')", 'restored'), 't', 'and the rights');

$node->stop;
done_testing();
