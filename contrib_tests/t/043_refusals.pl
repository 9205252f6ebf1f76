# Who is not let in, on both sides of the wire: each refusal has its own reason in the log, once, and the service goes
# on. Then certificates in the course of time: renewed, revoked, taken over by another authority, without a restart.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $place = tempdir(CLEANUP => 1);
my $host = '127.0.0.1';

sub run_quietly
{
	my ($command) = @_;
	system("cd $place && ( $command ) >>log 2>&1") == 0 or die "$command: " . slurp_file("$place/log");
	return;
}

# --- certificates, good ones by our tool, bad ones by openssl ---

run_quietly("predictor-certs init --dir ca --engine $host --database primary.example");
run_quietly('predictor-certs client --dir ca lost.example && predictor-certs revoke client lost.example --dir ca');
run_quietly("predictor-certs server --dir ca $host localhost --out revoked && cp revoked/server.crt . && "
	  . "predictor-certs revoke \$(openssl x509 -in revoked/server.crt -noout -serial | sed 's/.*=//') --dir ca");
run_quietly('predictor-certs init --dir other && predictor-certs client --dir other primary.example && '
	  . "predictor-certs server --dir other $host");
run_quietly("predictor-certs server --dir ca elsewhere.example");

# NAME.crt and NAME.key, signed by our authority: extensions as openssl has them, from and to as dates.
sub make_certificate
{
	my ($name, $purpose, $names, $from, $to) = @_;
	$purpose = $purpose ? "extendedKeyUsage = $purpose\n" : '';
	$names = $names ? "subjectAltName = $names\n" : '';
	open my $file, '>', "$place/$name.conf" or die;
	print $file <<"EOC";
[req]
distinguished_name = subject
prompt = no
[subject]
CN = $name
[ca]
default_ca = authority
[authority]
database = $place/$name.index
new_certs_dir = $place
default_md = sha256
policy = policy
rand_serial = yes
unique_subject = no
[policy]
commonName = supplied
[extensions]
basicConstraints = critical, CA:FALSE
$purpose$names
EOC
	close $file;
	run_quietly("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config $name.conf -keyout $name.key "
		  . "-out $name.csr && chmod 600 $name.key && : >$name.index && openssl ca -batch -notext -config $name.conf -cert ca/ca.crt "
		  . "-keyfile ca/ca.key -extensions extensions -startdate $from -enddate $to -in $name.csr -out $name.crt");
	return;
}
my ($past, $now, $future) = ('20200101000000Z', '20200102000000Z', '20400101000000Z');
foreach my $side ([ client => 'clientAuth', 'DNS:primary.example' ], [ server => 'serverAuth', "IP:$host" ])
{
	my ($name, $purpose, $names) = @$side;
	make_certificate("expired_$name", $purpose, $names, $past, $now);
	make_certificate("early_$name", $purpose, $names, $future, '20410101000000Z');
	run_quietly("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=self_$name "
		  . "-addext extendedKeyUsage=$purpose -addext subjectAltName=$names -days 10 -keyout self_$name.key -out self_$name.crt && "
		  . "chmod 600 self_$name.key");
}
make_certificate('no_purpose', '', 'DNS:primary.example', $past, $future);
make_certificate('no_name', 'clientAuth', '', $past, $future);
make_certificate('two_names', 'clientAuth', 'DNS:a.example,URI:spiffe://a/b', $past, $future);
make_certificate('old_tls', 'serverAuth', "IP:$host", $past, $future);

# --- the engine's side ---

my $engine_log = "$place/engine.log";
my $address = "$host:" . PostgreSQL::Test::Cluster::get_free_port();
run_quietly("predictor-certs bundle-for-engine $host --dir ca --out engine");
my $engine = IPC::Run::start(
	[ 'predictord', 'serve', '--listen', $address, '--data-dir', "$place/store", '--ca-dir', "$place/engine",
		'--port-file', "$place/port", '--log-file', $engine_log ],
	'<', \undef, '>', "$place/engine.out", '2>&1');
for (1 .. 1800)
{
	last if -s "$place/port";
	usleep(100_000);
}
ok(-s "$place/port", 'the engine listens') or BAIL_OUT(slurp_file($engine_log));

# What curl gets, or why it gets nothing.
sub ask_engine
{
	my ($certificate, $key, $url) = @_;
	my @identity = $certificate ? ('--cert', "$place/$certificate", '--key', "$place/" . ($key // $certificate =~ s/crt$/key/r)) : ();
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'curl', '-sS', '--max-time', '60', '--cacert', "$place/ca/ca.crt", @identity, $url // "https://$address/v1/jobs" ],
		'<', \undef, '>', \$out, '2>', \$err);
	return $out . $err;
}
my $good = 'ca/client-primary.example/client.crt';
like(ask_engine($good), qr/"jobs"/, 'a proper client is let in');

# The lines that the log has gained, once there is one that matches; each case waits for its own.
sub new_lines
{
	my ($offset, $pattern) = @_;
	my $text = '';
	for (1 .. 600)
	{
		$text = substr(slurp_file($engine_log), $offset);
		last if $text =~ $pattern;
		usleep(100_000);
	}
	return grep { /refused|403/ } split /\n/, $text;
}

sub is_refused
{
	my ($name, $attempt, $told, $logged) = @_;
	my $offset = -s $engine_log;
	my $answer = $attempt->();
	like($answer, $told, "$name: refused");
	my @lines = new_lines($offset, $logged);
	is(scalar(@lines), 1, "$name: logged once") or diag(join "\n", @lines);
	like($lines[0] // '', $logged, "$name: with the reason");
	like(ask_engine($good), qr/"jobs"/, "$name: the service goes on");
	return;
}

my @refusals = (
	[ 'no certificate', undef, qr/certificate required/, qr/the client showed no certificate/ ],
	[ 'another authority', 'other/client-primary.example/client.crt', qr/unknown ca/, qr/authority that is not in ca\.crt/ ],
	[ 'expired', 'expired_client.crt', qr/certificate expired/, qr/"CN=expired_client" .*has expired/ ],
	[ 'not yet valid', 'early_client.crt', qr/bad certificate|certificate unknown/, qr/"CN=early_client" .*is not valid yet; compare the clocks/ ],
	[ 'self-signed', 'self_client.crt', qr/unknown ca/, qr/is signed by itself/ ],
	[ 'revoked', 'ca/client-lost.example/client.crt', qr/certificate revoked/, qr/CN=lost\.example,.*serial number \w+\) is revoked/ ],
	[ "a server's", "ca/server-$host/server.crt", qr/unsupported certificate/, qr/is not made for clients/ ],
	[ 'no purpose', 'no_purpose.crt', qr/unsupported certificate/, qr/is not made for clients/ ],
	[ 'no name', 'no_name.crt', qr/no usable DNS or URI name/, qr/403 .*no_client_name/ ],
	[ 'two names', 'two_names.crt', qr/not clear who the client is/, qr/403 .*several_client_names/ ]);
foreach my $case (@refusals)
{
	my ($name, $certificate, $told, $logged) = @$case;
	is_refused($name, sub { ask_engine($certificate) }, $told, $logged);
}
is_refused('plain HTTP', sub { ask_engine(undef, undef, "http://$address/v1/jobs") }, qr/Empty reply|reset|closed/, qr/speaks plain HTTP/);

# A client that really offers TLS 1.1, as a server that takes it shows.
sub offer_tls_1_1
{
	my ($to) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'openssl', 's_client', '-connect', $to, '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0', '-CAfile', "$place/ca/ca.crt",
			'-cert', "$place/$good", '-key', "$place/ca/client-primary.example/client.key" ], '<', \"\n", '>', \$out, '2>', \$err);
	return $out . $err;
}

# openssl as a server with these certificates; returns the process and its address.
sub start_openssl
{
	my ($certificate, $key, @more) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $process = IPC::Run::start([ 'openssl', 's_server', '-accept', "$host:$port", '-cert', $certificate, '-key', $key, '-www', @more ],
		'<', \my $input, '>', "$place/s_server.log", '2>&1');
	for (1 .. 600)
	{
		last if IO::Socket::INET->new(PeerAddr => "$host:$port");
		usleep(100_000);
	}
	return ($process, "$host:$port");
}
my ($old_server, $old_address) = start_openssl("$place/old_tls.crt", "$place/old_tls.key", '-tls1_1', '-cipher', 'ALL:@SECLEVEL=0');
like(offer_tls_1_1($old_address), qr/Protocol *: TLSv1\.1/, 'a client that speaks TLS 1.1');
is_refused('TLS 1.1', sub { offer_tls_1_1($address) }, qr/alert protocol version/, qr/offers no TLS 1\.2 or newer/);

# --- the engine in the box, whose certificates obey the same rules ---

run_quietly('predictor-certs embedded box');
my $boxed = IPC::Run::start(
	[ 'predictord', 'serve', '--listen', "$host:0", '--data-dir', "$place/boxed", '--ca-dir', "$place/box", '--port-file', "$place/boxed_port",
		'--log-file', "$place/boxed.log" ],
	'<', \undef, '>', "$place/boxed.out", '2>&1');
for (1 .. 1800)
{
	last if -s "$place/boxed_port";
	usleep(100_000);
}
chomp(my $boxed_address = slurp_file("$place/boxed_port"));
sub ask_boxed
{
	my ($name) = @_;
	return scalar(`curl -sS --max-time 60 --cacert $place/box/ca.crt --cert $place/$name.crt --key $place/$name.key https://$boxed_address/v1/jobs 2>&1`);
}
like(ask_boxed('box/client'), qr/"jobs"/, "the engine in the box lets its server's certificate in");
like(ask_boxed('box/server'), qr/unsupported certificate/, 'but not its own');
like(ask_boxed($good =~ s/\.crt$//r), qr/unknown ca/, 'nor one of another authority');
$boxed->signal('TERM');
$boxed->finish;

# --- the database's side ---

run_quietly('predictor-certs bundle-for-database primary.example --dir ca --out database');
my $node = PostgreSQL::Test::Cluster->new('primary');
$node->init;
$node->append_conf('postgresql.conf', slurp_file($ENV{PREDICTOR_TEST_CONF}));
$node->append_conf('postgresql.conf', <<"EOC");
predictor.max_captures_per_second = 100000
predictor.connect_timeout = 60s
predictor.ssl_ca_file = '$place/database/ca.crt'
predictor.ssl_crl_file = '$place/database/ca.crl'
predictor.ssl_cert_file = '$place/database/client.crt'
predictor.ssl_key_file = '$place/database/client.key'
jit = off
EOC
$node->start;

sub query { return $node->safe_psql('postgres', $_[0]); }
query('CREATE EXTENSION predictor');
query("SELECT predictor.create_model('m')");
query('CREATE TABLE item AS SELECT g AS id, g % 100 AS kind FROM generate_series(1, 2000) g');
query(join ';', map { "SELECT count(*) FROM item WHERE kind < $_; SELECT id FROM item WHERE id = $_" } 1 .. 60);
query('SELECT predictor.flush()');

sub use_engine
{
	my ($url) = @_;
	query("ALTER SYSTEM SET predictor.engine_url = '$url'");
	query('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('predictor.engine_url') = '$url'");
	return;
}

# Both outcomes of asking the engine for something.
sub train
{
	my ($code, $out, $err) = $node->psql('postgres', "SELECT state FROM predictor.train('m')");
	return "$out$err";
}
sub fails_with { return like(train(), $_[0], $_[1]); }
sub trains { return like(train(), qr/^done/m, $_[0]); }

my @servers = (
	[ 'another authority', "other/server-$host/server", qr/its certificate is not accepted: .*(unable to get|self.signed)/ ],
	[ 'expired', 'expired_server', qr/its certificate is not accepted: .*certificate has expired/ ],
	[ 'not yet valid', 'early_server', qr/its certificate is not accepted: .*not yet valid/ ],
	[ 'self-signed', 'self_server', qr/its certificate is not accepted: .*self.signed certificate/ ],
	[ 'revoked', 'revoked/server', qr/its certificate is not accepted: .*certificate revoked/ ],
	[ "a client's", 'database/client', qr/its certificate is not accepted: .*(unsupported|unsuitable) certificate purpose/ ],
	[ 'another host', 'ca/server-elsewhere.example/server', qr/its certificate is not accepted: .*\Q$host\E/ ]);
foreach my $case (@servers)
{
	my ($name, $files, $message) = @$case;
	my ($server, $at) = start_openssl("$place/$files.crt", "$place/$files.key");
	use_engine("https://$at");
	my $offset = -s $node->logfile;
	fails_with(qr/ERROR:  could not connect to engine at https:\/\/$at: $message.*\nHINT:  The engine's certificate must name/, "an engine: $name");
	is(scalar(() = substr(slurp_file($node->logfile), $offset) =~ /not accepted/g), 1, "an engine: $name: logged once");
	$server->kill_kill;
}
use_engine("https://$old_address");
fails_with(qr/could not connect to engine at https:\S+: no agreement on TLS: .*\nHINT:/, 'an engine: TLS 1.1');
$old_server->kill_kill;
my $plain = IO::Socket::INET->new(Listen => 5, LocalAddr => $host) or die;
my $child = fork // die;
if ($child == 0)
{
	while (my $client = $plain->accept)
	{
		sysread $client, my $hello, 4096;
		print $client "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
		close $client;
	}
	exit 0;
}
use_engine("https://$host:" . $plain->sockport);
fails_with(qr/no agreement on TLS: .*\nHINT:  Is it predictord/, 'an engine: plain HTTP');
kill 'KILL', $child;
waitpid $child, 0;
use_engine("https://$address");
trains('after all of that the right engine is used');

# What the engine says of our certificate, which with TLS 1.3 comes after the handshake. Files may change at any time.
sub present
{
	my ($files, $name) = @_;
	run_quietly("cp $files.crt database/client.crt.new && cp $files.key database/client.key.new && "
		  . "mv database/client.crt.new database/client.crt && mv database/client.key.new database/client.key");
	return;
}
foreach my $case (
	[ 'other/client-primary.example/client', 'unknown ca', 'an authority that is not in ca.crt' ],
	[ 'expired_client', 'certificate expired', 'it has expired' ],
	[ 'ca/client-lost.example/client', 'certificate revoked', "the engine's revocation list" ],
	[ 'no_purpose', 'unsupported certificate', 'not made for clients' ])
{
	my ($files, $alert, $hint) = @$case;
	present($files);
	fails_with(qr/it does not accept our certificate: $alert\nHINT:  About "\S+client\.crt": .*\Q$hint\E/, "our certificate: $alert");
}
present('two_names');
fails_with(qr/engine at \S+ refused the request: .*not clear who the client is.* \(403\)/, 'our certificate: two names');

# --- renewed and revoked, without a restart ---

sub reload_engine
{
	my ($pattern) = @_;
	my $offset = -s $engine_log;
	$engine->signal('HUP');
	for (1 .. 600)
	{
		return 1 if substr(slurp_file($engine_log), $offset) =~ $pattern;
		usleep(100_000);
	}
	return 0;
}
run_quietly('predictor-certs renew client primary.example --dir ca');
my ($replaced) = glob("$place/ca/replaced/client-primary.example-*");
my ($serial) = $replaced =~ /-(\w+)$/;
run_quietly("predictor-certs revoke $serial --dir ca && cp ca/ca.crl engine/ca.crl.new && mv engine/ca.crl.new engine/ca.crl");
ok(reload_engine(qr/SIGHUP: certificates and settings are read anew/), 'the engine takes the new revocation list');
(my $before = $replaced) =~ s/^\Q$place\E\///;
like(ask_engine("$before/client.crt"), qr/certificate revoked/, 'the certificate of before is out');
present("$before/client");
fails_with(qr/does not accept our certificate: certificate revoked/, 'for the database too');
present('ca/client-primary.example/client');
trains('the renewed one is in');

append_to_file("$place/engine/ca.crl", "-----BEGIN X509 CRL-----\nrubbish\n-----END X509 CRL-----\n");
ok(reload_engine(qr/SIGHUP: nothing was changed: could not read the revocation list/), 'a damaged list changes nothing');
like(ask_engine($good), qr/"jobs"/, 'the service goes on');

# the engine's own certificate, revoked for the database by a list that it looks at before each request
run_quietly("predictor-certs revoke server $host --dir ca && cp ca/ca.crl database/ca.crl.new && mv database/ca.crl.new database/ca.crl");
fails_with(qr/its certificate is not accepted: .*certificate revoked/, "a revoked engine");
run_quietly("predictor-certs renew server $host --dir ca && cp ca/server-$host/* engine/");
ok(reload_engine(qr/are read anew/), 'gets a new certificate');
trains('and is trusted again');

# --- another authority takes over, and nobody is locked out on the way ---

run_quietly('predictor-certs init --dir next && predictor-certs server --dir next ' . "$host && predictor-certs client --dir next primary.example");
sub install
{
	my ($from, @trusted) = @_;
	my $trust = join ' ', map { "--trust $_" } @trusted;
	run_quietly("rm -rf e d && predictor-certs bundle-for-engine $host --dir $from $trust --out e && "
		  . "predictor-certs bundle-for-database primary.example --dir $from $trust --out d");
	return;
}
install('ca', 'next');
run_quietly('cp e/* engine/');
ok(reload_engine(qr/are read anew/), 'the engine trusts both');
run_quietly('cp d/* database/');
install('next', 'ca');
run_quietly('cp d/* database/');
unlike(train(), qr/not accept/, 'the new client meets the old engine');
run_quietly('cp e/* engine/');
ok(reload_engine(qr/are read anew/), 'the engine shows its new certificate');
install('next');
run_quietly('cp d/* database/ && cp e/* engine/');
ok(reload_engine(qr/are read anew/), 'nobody trusts the old authority any more');
trains('and both sides go on');
like(ask_engine($good), qr/unknown ca|SSL certificate problem/, 'a certificate of the old one is out');

# --- encrypted keys, on both sides ---

append_to_file("$place/passphrase", "Lock and key 4\n");
run_quietly("openssl pkcs8 -topk8 -in database/client.key -out database/client.key.new -passout file:passphrase && "
	  . 'chmod 600 database/client.key.new && mv database/client.key.new database/client.key');
fails_with(qr/cannot be used: it is encrypted, and predictor\.ssl_passphrase_command is not set\nHINT/, 'an encrypted key needs its passphrase');
sub use_command
{
	my ($command) = @_;
	query("ALTER SYSTEM SET predictor.ssl_passphrase_command = '$command'");
	query('SELECT pg_reload_conf()');
	$node->poll_query_until('postgres', "SELECT current_setting('predictor.ssl_passphrase_command') = '$command'");
	return;
}
use_command('exit 3');
fails_with(qr/ssl_passphrase_command failed: child process exited with exit code 3/, 'a command that fails');
use_command('echo wrong');
fails_with(qr/cannot be used: .*key/, 'a command that is wrong');
use_command("test \"%p\" = \"Enter PEM pass phrase:\" && cat $place/passphrase");
trains('a command that prints the passphrase');
my ($code, $out, $err) = $node->psql('postgres', "ALTER SYSTEM SET predictor.ssl_passphrase_command = 'echo %s'");
like($err, qr/invalid value.*\nDETAIL:  The command may contain %p/, 'a percent sign that means nothing');

# --- what ends when ---

is(query('SELECT certificate_days_left, authority_days_left, crl_days_left FROM predictor.engine'), '729|7299|729', 'days left are in the view');
run_quietly('predictor-certs renew crl --dir next --days 9 && cp next/ca.crl database/ca.crl');
my $log_offset = -s $node->logfile;
trains('a list that is about to end');
ok($node->log_contains(qr/WARNING:  predictor's revocation list "\S+ca\.crl" expires in [89] days\n.*HINT:  .*renew crl/s, $log_offset)
	  || slurp_file($node->logfile) =~ /WARNING:  predictor's revocation list "\S+ca\.crl" expires in [89] days/, 'is warned of');
run_quietly('cp next/ca.crl engine/ca.crl');
ok(reload_engine(qr/warning: the revocation list \S+ca\.crl expires in [89] days.*renew crl/), 'by the engine too');

$engine->signal('TERM');
$engine->finish;
$node->stop;
done_testing();
