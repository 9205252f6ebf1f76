# No literal of a user's statement leaves the database: what is sent to an engine is read in clear by a relay between the two,
# and what the engine writes is searched as well.
use strict;
use warnings FATAL => 'all';

use File::Find;
use File::Temp qw(tempdir);
use IPC::Run;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PredictorTest;
use Test::More;

my $place = tempdir(CLEANUP => 1);
foreach my $command ("init --dir $place/ca", "server --dir $place/ca --out $place/server 127.0.0.1", "client --dir $place/ca --out $place/client primary.example")
{
	system("predictor-certs $command >>$place/log 2>&1") == 0 or die slurp_file("$place/log");
}
append_to_file("$place/engine.toml", "[namespaces]\nshop = [\"primary.example\"]\n");
my ($engine_port, $relay_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
my $engine = IPC::Run::start([ 'predictord', 'serve', '--config', "$place/engine.toml", '--listen', "127.0.0.1:$engine_port", '--data-dir', "$place/store",
	'--ca-dir', "$place/server", '--port-file', "$place/port", '--threads', '1' ], '<', \undef, '>>', "$place/engine.log", '2>&1');
ok(wait_for(sub { -s "$place/port" }), 'an engine listens') or BAIL_OUT(slurp_file("$place/engine.log"));

# A TLS server and a TLS client of openssl's, back to back, with a copy of what goes through in clear.
mkfifo("$place/back", 0600) or die;
my $relay = fork;
defined $relay or die;
if ($relay == 0)
{
	setpgrp;
	exec 'bash', '-c', <<"EOS";
cd $place
openssl s_server -quiet -accept 127.0.0.1:$relay_port -cert server/server.crt -key server/server.key -CAfile server/ca.crt -Verify 1 <back 2>>relay.log |
	tee sent |
	openssl s_client -quiet -connect 127.0.0.1:$engine_port -cert client/client.crt -key client/client.key -CAfile server/ca.crt >back 2>>relay.log
EOS
}
END { kill 'TERM', -$relay if $relay }

my $node = new_server('main', <<"EOC");
predictor.operator_sample_rate = 1
predictor.opengauss_capture = on
predictor.engine_url = 'https://127.0.0.1:$relay_port'
predictor.ssl_ca_file = '$place/client/ca.crt'
predictor.ssl_cert_file = '$place/client/client.crt'
predictor.ssl_key_file = '$place/client/client.key'
EOC
my ($secret, $number) = ('coelacanth', 918273645);
my $hidden = join '|', map { quotemeta } $secret, unpack('H*', $secret), $number, pack('V', $number), pack('N', $number);

$node->safe_psql('postgres', "CREATE TABLE t AS SELECT g AS id, g % 10 AS a, 'row ' || g AS b FROM generate_series(1, 2000) g; ANALYZE t; SELECT predictor.create_model('m', options => '{\"max_epochs\": 2}')");
$node->safe_psql('postgres', join ";\n", map { ("SELECT count(*) FROM t WHERE b = '$secret $_' AND id < $number", "SELECT a, count(*) FROM t WHERE id IN ($number, $_) OR b LIKE '$secret%$_' GROUP BY a") } 1 .. 60);
is($node->safe_psql('postgres', 'SELECT predictor.flush()'), 't', 'statements with marked literals are stored');
is($node->safe_psql('postgres', "SELECT state FROM predictor.train('m')"), 'done', 'and a model is trained on them, through the relay') or diag(slurp_file("$place/relay.log"));

my $sent = slurp_file("$place/sent");
ok($sent =~ /^PUT \/v1\/jobs\/.*^Content-Length: (\d+)/ms, 'what was sent is there to read');
cmp_ok($1 // 0, '>', 120 * 200, 'with the records in it');
ok($sent !~ /$hidden/, 'no literal was sent');
my @kept;
find(sub { push @kept, $File::Find::name if -f }, "$place/store");
cmp_ok(scalar(@kept), '>', 0, 'the engine keeps files');
is_deeply([ grep { slurp_file($_) =~ /$hidden/ } @kept, "$place/engine.log" ], [], 'none of them has a literal, nor has its log');
is($node->safe_psql('postgres', "SELECT count(*) FROM predictor.model_version v WHERE v::text ~* '$secret|$number|" . unpack('H*', $secret) . "'"), '0', 'nor has what came back');

is($node->safe_psql('postgres', "SELECT count(*) > 0 AND count(*) FILTER (WHERE t::text ~* '$secret|$number') = 0 FROM predictor.plan_text t"), 't',
	'nor have the texts that are kept for openGauss\'s views');

$node->stop;
$engine->kill_kill;
done_testing();
