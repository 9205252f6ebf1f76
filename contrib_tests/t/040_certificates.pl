# predictor-certs, in dash and in bash: what it makes, what it refuses, what it asks, and what never happens.
use strict;
use warnings FATAL => 'all';

use File::Temp qw(tempdir);
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my ($tool) = grep { -x } map { "$_/predictor-certs" } split /:/, $ENV{PATH};
my $password = 'Mole hill 9';
my ($shell, $place);

# Runs the tool; returns its exit status, output and complaints. Options in %$more: env, pty (what is typed).
sub certs
{
	my ($arguments, $more) = (@_, {});
	my ($out, $err) = ('', '');
	local %ENV = (%ENV, %{ $more->{env} // {} });
	chdir $place or die;
	my @terminal = $more->{pty} ? ('<pty<', \$more->{pty}) : ('<', \undef);
	IPC::Run::run([ $shell, $tool, split / /, $arguments ], @terminal, '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	chdir '/';
	return ($status, $out, $err);
}

sub works
{
	my ($arguments, $more) = (@_, {});
	my ($status, $out, $err) = certs($arguments, $more);
	is($status, 0, "$arguments") or diag($err);
	return $out;
}

sub fails
{
	my ($arguments, $pattern, $name, $more) = (@_, {});
	my ($status, $out, $err) = certs($arguments, $more);
	ok($status != 0 && $err =~ $pattern, "$arguments: $name") or diag("status $status: $err");
	return;
}

sub certificate { return scalar(`openssl x509 -noout -text -in $place/$_[0]`); }

sub mode { return sprintf '%o', (stat "$place/$_[0]")[2] & 07777; }

foreach my $interpreter ('dash', 'bash')
{
	$shell = $interpreter;
	$place = tempdir(CLEANUP => 1);
	note $shell;

	# --- an authority, and what it signs ---

	like(works('init --dir ca'), qr/authority made in ca/, 'an authority');
	is(mode('ca'), '700', 'in a private directory');
	is(mode("ca/$_"), '600', "$_ is private") foreach ('ca.key', 'ca.crt');
	my $text = certificate('ca/ca.crt');
	like($text, qr/CA:TRUE, pathlen:0/, 'it is an authority, and no authority is below it');
	like($text, qr/NIST CURVE: P-256/, 'with a key on P-256');
	works('server --dir ca engine.example 10.0.0.7 ::1');
	$text = certificate('ca/server-engine.example/server.crt');
	like($text, qr/DNS:engine\.example, IP Address:10\.0\.0\.7, IP Address:0:0:0:0:0:0:0:1/, 'names and addresses');
	like($text, qr/TLS Web Server Authentication\s*\n/, 'for servers, and for nothing else');
	works('client --dir ca orders.example');
	$text = certificate('ca/client-orders.example/client.crt');
	like($text, qr/DNS:orders\.example\s*\n/, 'one name');
	like($text, qr/TLS Web Client Authentication\s*\n/, 'for clients, and for nothing else');
	is(mode('ca/client-orders.example/client.key'), '600', 'its key is private');
	works('client --dir ca spiffe://example/orders --out by-uri');
	like(certificate('by-uri/client.crt'), qr/URI:spiffe:\/\/example\/orders/, 'a URI');
	like(works('client --dir ca 10.0.0.5'), qr/DNS:ip-10-0-0-5/, 'an address becomes a name');
	works('server --dir ca rsa.example --key rsa');
	like(certificate('ca/server-rsa.example/server.crt'), qr/Public-Key: \(3072 bit\)/, 'RSA on request');
	works('check --dir ca');

	fails('init --dir ca', qr/never overwritten/, 'the authority');
	fails('server --dir ca engine.example', qr/never overwritten/, 'a certificate');
	fails('server --dir ca 10.0.0.256', qr/neither a host name nor an IP address/, 'a mistyped address');
	fails('client --dir ca a,b', qr/neither a name/, 'two names in one');
	fails('client --dir ca a b', qr/one name/, 'two names');
	fails('client --dir nowhere a', qr/no authority in nowhere/, 'no authority');
	fails('client --dir ca long.example --days 8000', qr/must outlive what it signs/, 'an end after that of the authority');
	fails('client --dir ca x --days 0', qr/--days must be/, 'no days');
	fails('init --dir ca2 --key dsa', qr/ec or rsa/, 'another kind of key');
	fails('dance', qr/unknown command/, 'an unknown command');
	fails('init --colour red', qr/unknown option/, 'an unknown option');
	fails('init --dir no/such/place', qr/does not exist/, 'a place that is not there');
	is(join(' ', glob("$place/.predictor-certs.* $place/ca/.predictor-certs.*")), '', 'nothing half made is left');

	# --- passwords ---

	fails("init --dir weak", qr/at least 8 characters of at least 3 kinds/, $_->[1], { env => { PREDICTOR_CERTS_PASSWORD => $_->[0] } })
	  foreach ([ 'Abc12', 'too short' ], [ 'abcdefgh12', 'two kinds' ], [ 'ABCDEFGHIJ!', 'two others' ]);
	my %env = (PREDICTOR_CERTS_PASSWORD => $password, PREDICTOR_CERTS_ENGINE => '127.0.0.2,engine.example',
		PREDICTOR_CERTS_DATABASE => 'orders.example');
	works('init --dir locked', { env => \%env });
	like(slurp_file("$place/locked/ca.key"), qr/BEGIN ENCRYPTED PRIVATE KEY/, "the authority's key is encrypted");
	ok(-e "$place/locked/server-127.0.0.2/server.key" && -e "$place/locked/client-orders.example/client.key",
		'and both certificates were made without a question');
	append_to_file("$place/password", "$password\n");
	append_to_file("$place/wrong", "Mole hill 8\n");
	append_to_file("$place/key-password", "Key hole 1\n");
	fails('client --dir locked a.example', qr/--password-file/, 'the password is needed');
	fails('client --dir locked a.example --password-file wrong', qr/not the password/, 'the right one');
	works('client --dir locked a.example --password-file password --key-password-file key-password');
	is(system("openssl pkey -noout -in $place/locked/client-a.example/client.key -passin file:$place/key-password 2>/dev/null"),
		0, 'a key with a password of its own');
	fails('renew client a.example --dir locked --password-file password', qr/--key-password-file/, 'which renewing does not lose');

	# asked on a terminal: the password is not echoed, and the order is that of the original's script
  SKIP:
	{
		skip 'IO::Pty is not installed', 4 unless eval { require IO::Pty; 1 };
		my ($status, $out, $err) = certs('init --dir asked', { pty => "$password\n$password\n10.1.2.3\n10.4.5.6\n" });
		is($status, 0, 'what is asked can be typed') or diag($err);
		like($err, qr/Password.*once more.*Engine's address.*Database's name/s, 'password, engine, database, in this order');
		like(slurp_file("$place/asked/ca.key"), qr/ENCRYPTED/, 'with effect');
		like(certificate('asked/server-10.1.2.3/server.crt') . certificate('asked/client-10.4.5.6/client.crt'),
			qr/IP Address:10\.1\.2\.3.*DNS:ip-10-4-5-6/s, 'for each');
	}

	# no secret on a command line: an openssl that notes how it is called
	mkdir "$place/spy";
	my ($openssl) = grep { -x } map { "$_/openssl" } split /:/, $ENV{PATH};
	append_to_file("$place/spy/openssl", "#!/bin/sh\necho \"\$*\" >>$place/spy/log\nexec $openssl \"\$@\"\n");
	chmod 0755, "$place/spy/openssl";
	works('client --dir locked b.example --password-file password --key-password-file key-password',
		{ env => { PATH => "$place/spy:$ENV{PATH}" } });
	my $log = slurp_file("$place/spy/log");
	ok($log =~ /x509 -req/ && $log !~ /Mole|Key hole/, 'no password on a command line of openssl');
	is(`grep -rlE 'Mole hill|Key hole' $place/locked`, '', 'nor in a file that it made');

	# --- all or nothing: ended in the middle, by a signal that it can answer and by one that it cannot ---

	foreach my $signal ('TERM', 'KILL')
	{
		my $trap = "$place/trap.$signal";
		mkdir $trap;
		append_to_file("$trap/openssl", "#!/bin/sh\ncase \"\$*\" in *'-gencrl'*) kill -$signal \$(cat $trap/pid); sleep 1; exit 1 ;; esac\nexec $openssl \"\$@\"\n");
		chmod 0755, "$trap/openssl";
		local $ENV{PATH} = "$trap:$ENV{PATH}";
		system("cd $place && sh -c 'echo \$\$ >$trap/pid; exec $shell $tool init --dir ended' 2>/dev/null </dev/null");
		isnt($?, 0, "ended by SIG$signal");
		ok(!-e "$place/ended", 'there is no authority');
		is(scalar(my @left = glob("$place/.predictor-certs.*")), $signal eq 'TERM' ? 0 : 1, 'what is half made is hidden, and gone if it can be');
		system("rm -rf $place/.predictor-certs.*");
	}

	# --- renewed, revoked, listed ---

	my $first = certificate('ca/client-orders.example/client.crt');
	like(works('renew client orders.example --dir ca'), qr/the one before is in ca\/replaced\/client-orders\.example-(\w+)/, 'renewed');
	isnt(certificate('ca/client-orders.example/client.crt'), $first, 'there is another certificate');
	like(certificate('ca/client-orders.example/client.crt'), qr/DNS:orders\.example\s*\n/, 'for the same name');
	my ($old) = glob("$place/ca/replaced/client-orders.example-*");
	my ($serial) = $old =~ /-([0-9A-F]+)$/;
	is(scalar(() = works('list --dir ca') =~ /valid .*DNS:orders\.example$/mg), 2, 'both are valid');
	like(works("revoke $serial --dir ca"), qr/revoked: $serial.*SIGHUP/s, 'until the old one is revoked');
	my $list = works('list --dir ca');
	like($list, qr/^$serial +client +revoked .*DNS:orders\.example$/m, 'which the list shows');
	is(scalar(() = $list =~ /valid .*DNS:orders\.example$/mg), 1, 'of that one alone');
	fails("revoke $serial --dir ca", qr/revoked already/, 'twice');
	fails('revoke 00AA --dir ca', qr/no certificate has the serial number/, 'an unknown number');
	works('check ca');
	works('revoke client orders.example --dir ca');
	fails('check ca', qr/client-orders\.example\/client\.crt is revoked/, 'a revoked certificate in use');
	is(slurp_file("$place/ca/server-engine.example/ca.crl"), slurp_file("$place/ca/ca.crl"), 'every list is renewed');
	works('renew crl --dir ca --days 10');
	like(works('check ca/server-engine.example'), qr/ca\.crl: expires within 30 days; renew it/, 'what is about to end is told');
	mkdir "$place/ca/.lock";
	fails('renew crl --dir ca', qr/remove the directory ca\/\.lock/, 'two at a time');
	rmdir "$place/ca/.lock";

	# --- bundles ---

	works('bundle-for-engine engine.example --dir ca');
	works('bundle-for-database orders.example --dir ca --trust locked --out database');
	is(join(' ', sort map { s/.*\///r } glob("$place/engine-engine.example/*")), 'ca.crl ca.crt server.crt server.key',
		"an engine's bundle has what it needs");
	is(join(' ', sort map { s/.*\///r } glob("$place/database/*")), 'ca.crl ca.crt client.crt client.key', "so has a database's");
	is(scalar(() = slurp_file("$place/database/ca.crt") =~ /BEGIN CERT/g), 2, 'two authorities overlap');
	works('check engine-engine.example');
	fails('bundle-for-engine engine.example --dir ca', qr/never overwritten/, 'a bundle');

	# --- what check finds ---

	my $key = "$place/engine-engine.example/server.key";
	chmod 0640, $key;
	fails('check engine-engine.example', qr/chmod 0600/, 'a key for others');
	chmod 0600, $key;
	system("cp $place/by-uri/client.key $key");
	fails('check engine-engine.example', qr/is not the key of/, 'a foreign key');
	system("cp $place/locked/ca.crt $place/engine-engine.example/ca.crt");
	fails('check engine-engine.example', qr/is no server certificate signed by/, 'a foreign authority');
	fails('check engine-engine.example', qr/holds a list that no authority/, 'a foreign list');

	# --- the engine in the box obeys the same rules ---

	works('embedded box');
	works('check box');
	is(join(' ', sort map { s/.*\///r } glob("$place/box/*")), 'ca.crt client.crt client.key server.crt server.key',
		"its authority's key is nowhere");
	like(certificate('box/client.crt'), qr/TLS Web Client Authentication\s*\n/, 'its client is a client');
	like(certificate('box/server.crt'), qr/TLS Web Server Authentication\s*\n/, 'its server is a server');
}

done_testing();
