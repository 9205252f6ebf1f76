# Engines for tests: real ones with certificates of their own, links between them and a server that are slow or stop in
# the middle, and a false one that says whatever a test wants it to.
package EngineTest;

use strict;
use warnings FATAL => 'all';

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use IPC::Run;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(usleep);

our @EXPORT = qw(make_authority make_expired_server engine_settings start_engine kill_engine stop_engine
  start_link start_false_engine false_engine_says false_engine_heard);

my @children;

END
{
	my $status = $?;
	foreach my $pid (@children) { kill 'KILL', $pid; waitpid $pid, 0; }
	$? = $status;
}

sub run_quietly
{
	my ($directory, $command) = @_;
	system("cd $directory && ( $command ) >>log 2>&1") == 0 or die "$command: " . slurp_file("$directory/log");
	return;
}

# An authority, an engine's certificate for 127.0.0.1 (server/), and one for each client named (client-NAME/).
sub make_authority
{
	my ($directory, @clients) = @_;
	run_quietly($directory, join ' && ', "predictor-certs init --dir ca",
		"predictor-certs server --dir ca --out server 127.0.0.1",
		map { "predictor-certs client --dir ca --out client-$_ $_" } @clients);
	return;
}

# The same for an engine whose certificate ended long ago: expired/.
sub make_expired_server
{
	my ($directory) = @_;
	append_to_file("$directory/expired.conf", <<"EOC");
[req]
distinguished_name = subject
prompt = no
[subject]
CN = expired
[ca]
default_ca = authority
[authority]
database = $directory/expired.index
new_certs_dir = $directory
default_md = sha256
policy = policy
rand_serial = yes
[policy]
commonName = supplied
[extensions]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1
EOC
	run_quietly($directory, 'cp -r server expired && : >expired.index && '
		  . 'openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -config expired.conf -keyout expired/server.key '
		  . '-out expired.csr && openssl ca -batch -notext -config expired.conf -cert ca/ca.crt -keyfile ca/ca.key '
		  . '-extensions extensions -startdate 20200101000000Z -enddate 20200102000000Z -in expired.csr -out expired/server.crt');
	return;
}

# Lines for postgresql.conf.
sub engine_settings
{
	my ($directory, $client) = @_;
	return "predictor.ssl_ca_file = '$directory/client-$client/ca.crt'\n"
	  . "predictor.ssl_cert_file = '$directory/client-$client/client.crt'\n"
	  . "predictor.ssl_key_file = '$directory/client-$client/client.key'\n";
}

# A predictord: its process, address and URL. Options: address, store, certificates, config.
sub start_engine
{
	my ($directory, %options) = @_;
	my $engine = {
		address => $options{address} // '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port(),
		log => "$directory/engine.log"
	};
	my $port_file = "$directory/port-" . ($engine->{address} =~ s/.*://r);
	unlink $port_file;
	$engine->{url} = "https://$engine->{address}";
	$engine->{run} = IPC::Run::start(
		[ 'predictord', 'serve', ($options{config} ? ('--config', $options{config}) : ()), '--listen', $engine->{address},
			'--data-dir', $options{store} // "$directory/store", '--ca-dir', $options{certificates} // "$directory/server",
			'--port-file', $port_file, '--threads', '1' ],
		'<', \undef, '>>', $engine->{log}, '2>&1');
	for (1 .. 1800)
	{
		return $engine if -s $port_file;
		usleep(100_000);
	}
	die slurp_file($engine->{log});
}

sub kill_engine { $_[0]->{run}->signal('KILL'); $_[0]->{run}->finish; return; }
sub stop_engine { $_[0]->{run}->signal('TERM'); $_[0]->{run}->finish; return; }

# Runs the code in a process of its own, which ends with the test.
sub in_background
{
	my ($code) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		local $SIG{PIPE} = 'IGNORE';
		eval { $code->() };
		POSIX::_exit(0);
	}
	push @children, $pid;
	return $pid;
}

# --- a link: bytes go through as they are ---

# Takes up to so many bytes from one side to the other; false at the end.
sub pass_on
{
	my ($from, $to, $most) = @_;
	my $got = sysread($from, my $bytes, $most);
	return 0 unless $got;
	for (my $at = 0; $at < $got;)
	{
		my $written = syswrite $to, $bytes, $got - $at, $at;
		return 0 unless $written;
		$at += $written;
	}
	return $got;
}

# An engine that is not there (any more) is waited for: it may be starting.
sub connect_to
{
	my ($address) = @_;
	my $parent = getppid();
	while (getppid() == $parent)
	{
		my $socket = IO::Socket::INET->new(PeerAddr => $address);
		return $socket if $socket;
		usleep(100_000);
	}
	return;
}

sub serve_link
{
	my ($client, $address, $options) = @_;
	my $engine = connect_to($address) // return;
	my $sent = 0;
	while (1)
	{
		my $holds = $options->{hold_after} && $sent >= $options->{hold_after} && !-e $options->{opened};
		append_to_file($options->{reached}, "$sent\n") if $holds && !-e $options->{reached};
		foreach my $ready (IO::Select->new($engine, $holds ? () : $client)->can_read(0.1))
		{
			usleep($options->{delay_us}) if $options->{delay_us};
			my $got = $ready == $client ? pass_on($client, $engine, 4096) : pass_on($engine, $client, 4096);
			return unless $got;
			$sent += $got if $ready == $client;
		}
	}
}

# A link to the engine, and its URL. delay_us: what each 4 kB are held up. hold_after: after so many bytes to the engine,
# in each connection, nothing more gets through to it until file `opened` is there; file `reached` says that it came to that.
sub start_link
{
	my ($address, %options) = @_;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "listen: $!";
	in_background(
		sub {
			local $SIG{CHLD} = 'IGNORE';
			while (my $client = $listener->accept)
			{
				next if fork;
				serve_link($client, $address, \%options);
				POSIX::_exit(0);
			}
		});
	return 'https://127.0.0.1:' . $listener->sockport;
}

# --- a false engine ---

sub route_of
{
	my ($method, $path) = @_;
	return 'version' if $path =~ m{^/v1/version};
	return 'bundle' if $path =~ m{/bundle$};
	return $method eq 'PUT' ? 'put' : $method eq 'DELETE' ? 'delete' : 'job';
}

# Reads a request; its method and path, or nothing at the end.
sub read_request
{
	my ($client) = @_;
	my $head = '';
	while ($head !~ /\r\n\r\n/)
	{
		return unless $client->sysread($head, 4096, length $head);
	}
	my ($begin, $body) = split /\r\n\r\n/, $head, 2;
	print $client "HTTP/1.1 100 Continue\r\n\r\n" if $begin =~ /^Expect:/mi;
	my ($length) = $begin =~ /^Content-Length: *(\d+)/mi;
	my $left = ($length // 0) - length $body;
	while ($left > 0)
	{
		my $got = $client->sysread(my $piece, 65536) or return;
		$left -= $got;
	}
	return $begin =~ /^(\w+) (\S+)/;
}

sub serve_falsely
{
	my ($client, $directory) = @_;
	while (my ($method, $path) = read_request($client))
	{
		my $route = route_of($method, $path);
		my $answer = slurp_file("$directory/$route");
		append_to_file("$directory/heard", "$method $route\n");
		return if $answer eq 'close';
		if ($answer eq 'hang') { $client->sysread(my $nothing, 1); return; }
		if ($answer eq 'endless')
		{
			print $client "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
			while (print $client 'x' x 65536) { }
			return;
		}
		print $client $answer;
	}
	return;
}

# Speaks TLS with the certificate in server/, and answers each route (version, put, job, bundle, delete) with what
# false_engine_says() laid down for it.
sub start_false_engine
{
	my ($directory) = @_;
	require IO::Socket::SSL;
	my $listener = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "listen: $!";
	my $engine = { directory => "$directory/false", url => 'https://127.0.0.1:' . $listener->sockport };
	mkdir $engine->{directory} or die;
	append_to_file("$engine->{directory}/heard", '');
	in_background(
		sub {
			local $SIG{CHLD} = 'IGNORE';
			while (my $client = $listener->accept)
			{
				next if fork;
				my $tls = IO::Socket::SSL->start_SSL($client, SSL_server => 1, SSL_verify_mode => 0,
					SSL_cert_file => "$directory/server/server.crt", SSL_key_file => "$directory/server/server.key");
				serve_falsely($tls, $engine->{directory}) if $tls;
				POSIX::_exit(0);
			}
		});
	return $engine;
}

# What it answers: a status with a body, or else "hang", "close", "endless", or bytes that are no HTTP.
sub false_engine_says
{
	my ($engine, $route, $answer, $body) = @_;
	$answer = "HTTP/1.1 $answer Answer\r\nContent-Length: " . length($body) . "\r\n\r\n$body" if defined $body;
	open my $file, '>', "$engine->{directory}/new" or die;
	print $file $answer;
	close $file;
	rename "$engine->{directory}/new", "$engine->{directory}/$route" or die;
	return;
}

# The requests it has had since it was last asked.
sub false_engine_heard
{
	my ($engine) = @_;
	my $heard = slurp_file("$engine->{directory}/heard");
	open my $file, '>', "$engine->{directory}/heard" or die;
	close $file;
	return $heard;
}

1;
