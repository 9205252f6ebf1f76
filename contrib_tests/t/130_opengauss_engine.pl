# openGauss's AiEngine, served: every request as openGauss's kernel sends it (curl stands for its libcurl), over a CA
# folder made the original's way, and what the kernel would read of the answers.
use strict;
use warnings FATAL => 'all';

use File::Basename qw(basename dirname);
use File::Temp qw(tempdir);
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $place = tempdir(CLEANUP => 1);
my $ca = "$place/CA";
my $data = "$place/data";
my $address;
my $password = 'Gauss@123';

# --- the CA folder, as ssl.sh of openGauss makes it: no purposes, no alternative names, encrypted keys ---

sub openssl
{
	my @command = ('openssl', @_);
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>', \$err) or die "@command: $err";
	return $out;
}

sub write_file
{
	my ($path, $content) = @_;
	open(my $file, '>:raw', $path) or die "$path: $!";
	print $file $content;
	close $file or die "$path: $!";
	chmod 0600, $path;
	return;
}

# PostgreSQL's legacy CRC-32, of which the password files have one each.
sub legacy_crc
{
	my ($text) = @_;
	my @table = map {
		my $value = $_;
		$value = $value & 1 ? ($value >> 1) ^ 0xedb88320 : $value >> 1 for 1 .. 8;
		$value
	} 0 .. 255;
	my $crc = 0xffffffff;
	$crc = $table[ ($crc >> 24) ^ ord $_ ] ^ (($crc << 8) & 0xffffffff) for split //, $text;
	return $crc ^ 0xffffffff;
}

# What `gs_guc encrypt -M server -K PASSWORD` leaves beside a key.
sub write_password_files
{
	my ($key) = @_;
	my ($secret, $salt, $iv) = ('secret of 16 b.!', 'salt of 16 bytes', 'iv of 16 bytes..');
	my $derived = openssl('kdf', '-keylen', 16, '-kdfopt', 'digest:SHA256', '-kdfopt', "hexpass:" . unpack('H*', $secret),
		'-kdfopt', 'hexsalt:' . unpack('H*', $salt), '-kdfopt', 'iter:10000', 'PBKDF2');
	$derived =~ s/[^0-9A-Fa-f]//g;
	write_file("$place/plain", substr($password . "\x80" . "\0" x 16, 0, 16));
	openssl('enc', '-aes-128-cbc', '-nopad', '-K', $derived, '-iv', unpack('H*', $iv), '-in', "$place/plain",
		'-out', "$place/encrypted");
	my $cipher = slurp_file("$place/encrypted") . "\0" . $salt . "\0" . $iv . "\0\0";
	my $rand = $secret . "\0" x 4;
	write_file("$key.cipher", $cipher . pack('V', legacy_crc($cipher)));
	write_file("$key.rand", $rand . pack('V', legacy_crc($rand)));
	return;
}

sub make_leaf
{
	my ($name, $common_name, @key_format) = @_;
	openssl('genrsa', '-aes256', '-passout', "pass:$password", @key_format, '-out', "$ca/$name.key", '2048');
	chmod 0600, "$ca/$name.key";
	openssl('req', '-new', '-key', "$ca/$name.key", '-passin', "pass:$password", '-config', "$ca/openssl.cnf",
		'-subj', "/C=CN/ST=SZ/O=HW/OU=GS/CN=$common_name", '-out', "$ca/$name.req");
	openssl('ca', '-batch', '-config', "$ca/openssl.cnf", '-days', '3650', '-md', 'sha256',
		'-extfile', "$ca/ca_ext.txt", '-extensions', 'some_ext', '-passin', "pass:$password",
		'-in', "$ca/$name.req", '-out', "$ca/$name.crt");
	return;
}

sub make_ca
{
	mkdir $_ foreach $ca, "$ca/demoCA", "$ca/demoCA/newcerts", "$ca/demoCA/private";
	write_file("$ca/demoCA/index.txt", '');
	write_file("$ca/demoCA/serial", "01\n");
	write_file("$ca/ca_ext.txt", "[ca_ext]\nbasicConstraints = CA:TRUE\n[some_ext]\nbasicConstraints = CA:FALSE\n");
	write_file("$ca/openssl.cnf", <<"EOC");
[ca]
default_ca = CA_default
[CA_default]
dir = $ca/demoCA
database = \$dir/index.txt
serial = \$dir/serial
new_certs_dir = \$dir/newcerts
certificate = \$dir/cacert.pem
private_key = \$dir/private/cakey.pem
default_md = sha256
policy = any
unique_subject = no
[any]
countryName = optional
stateOrProvinceName = optional
organizationName = optional
organizationalUnitName = optional
commonName = supplied
[req]
distinguished_name = dn
[dn]
EOC
	openssl('genrsa', '-aes256', '-passout', "pass:$password", '-out', "$ca/demoCA/private/cakey.pem", '2048');
	openssl('req', '-new', '-config', "$ca/openssl.cnf", '-key', "$ca/demoCA/private/cakey.pem", '-passin',
		"pass:$password", '-subj', '/C=CN/ST=SZ/O=HW/OU=GS/CN=CA', '-out', "$ca/demoCA/careq.pem");
	issue_ca('-days', '365');
	make_leaf('server', '127.0.0.1');
	make_leaf('client', '10.0.0.7');
	make_leaf('other', '10.0.0.8', '-traditional');
	write_password_files("$ca/$_.key") foreach qw(server client);
	return;
}

sub issue_ca
{
	my @days = @_;
	openssl('x509', '-req', '-in', "$ca/demoCA/careq.pem", '-signkey', "$ca/demoCA/private/cakey.pem", '-passin',
		"pass:$password", '-sha256', '-extfile', "$ca/ca_ext.txt", '-extensions', 'ca_ext', @days,
		'-out', "$ca/demoCA/cacert.pem");
	return;
}

# --- the engine ---

my $engine;

# A test that dies leaves no engine behind.
END
{
	local $?;
	$engine->kill_kill if defined $engine && $engine->pumpable;
}
my $engine_log = "$place/predictord.log";

sub start_engine
{
	unlink "$place/port";
	open(my $log, '>>', $engine_log) or die $!;
	$engine = IPC::Run::start(
		[ 'predictord', 'serve', '--listen', '127.0.0.1:0', '--data-dir', $data, '--ca-dir', $ca,
			'--port-file', "$place/port", '--limits-upload-mb', '4' ],
		'<', \undef, '>', $log, '2>', $log);
	for (1 .. 600)
	{
		if (-s "$place/port")
		{
			$address = slurp_file("$place/port");
			$address =~ s/\s+//g;
			return;
		}
		last unless $engine->pumpable;
		usleep(100_000);
	}
	die "the engine does not start: " . slurp_file($engine_log);
}

sub stop_engine
{
	my ($signal) = @_;
	$engine->signal($signal);
	eval { $engine->finish };
	return;
}

# --- requests ---

our $who = 'client';

# Returns status, content type and body.
sub request
{
	my ($route, @options) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run(
		[ 'curl', '-sS', '--noproxy', '*', '--cacert', "$ca/demoCA/cacert.pem", '--cert', "$ca/$who.crt", '--key',
			"$ca/$who.key", '--pass', $password, '--max-time', 120, '-w', "\n%{http_code} %{content_type}", '-X', 'POST',
			@options, "https://$address$route" ],
		'<', \undef, '>', \$out, '2>', \$err);
	my ($body, $status, $type) = $out =~ /^(.*)\n(\d+) ([^\n]*)$/s or return (0, '', $err);
	return ($status, $type, $body);
}

sub body { my (undef, undef, $body) = request(@_); return $body; }

# cJSON prints with newlines and tabs.
sub pretty { my $text = JSON::PP->new->utf8->pretty->indent_length(1)->encode($_[0]); $text =~ s/^ +/\t/gm; return $text; }

sub json { return ('-H', 'Content-Type: application/json', '--data-binary', pretty($_[0])); }

my %config = (
	template_name => 'rlstm', model_name => 'open_ai', max_epoch => 40, learning_rate => 2.0000000298,
	dim_red => -1, hidden_units => 32, batch_size => 64, labels => 'T');

sub configure { return body('/configure', json({ %config, @_ })); }

sub upload
{
	my ($route, $csv, $name) = @_;
	write_file("$place/upload", $csv);
	return body($route, '-H', 'Expect: 100-continue', '-F',
		"file=\@$place/upload;type=application/octet-stream;filename=\"" . ($name // 'gaussdb_1.csv') . '"');
}

# The kernel's parser takes a prefix that is JSON for the whole.
sub no_json_begins { return $_[0] =~ /^\s*[^\s\[{"0-9tfn-]/; }

# --- what a workload looks like: 67 numbers, of which 3..22 say the operation ---

my @cost = map { 3**($_ % 7) } 0 .. 19;

sub node_line
{
	my ($query, $id, $parent, $operation, $time) = @_;
	my @numbers = ('1.000', 1, 0, (0) x 64);
	$numbers[ 3 + $operation ] = 1;
	return "$query, $id, $parent, " . join(' ', @numbers) . " , 0, $time, " . ($time < 0 ? '-1, -1' : '10, 1') . "\n";
}

sub workload
{
	my ($queries, $seed) = @_;
	srand($seed);
	my $csv = '';
	for my $query (1 .. $queries)
	{
		my @operations = map { int(rand(20)) } 1 .. 1 + int(rand(5));
		my $time = 0;
		my @lines;
		for (my $i = @operations; $i >= 1; $i--)
		{
			$time += $cost[ $operations[ $i - 1 ] ];
			unshift @lines, node_line($query, $i, $i - 1, $operations[ $i - 1 ], $time);
		}
		$csv .= join '', @lines;
	}
	return $csv;
}

# ======================================================================================================================
make_ca();
start_engine();

like(slurp_file($engine_log), qr/openGauss/, 'the log says which rules hold for a CA folder of openGauss');

# --- /check: chunked, without a body, with 100-continue ---
{
	my @check = ('-H', 'Expect: 100-continue', '-H', 'Content-Type: application/x-www-form-urlencoded', '-T', '-');
	my ($status, $type, $body) = request('/check', @check);
	is("$status $body", '200 0', '/check');
	like($type, qr{^text/html}, 'a letter is text, not JSON');
}

# --- /configure: every answer code ---
is(configure(), '0', '/configure as the kernel sends it');
is(configure(labels => 'TT'), 'F', 'a label twice');
is(configure(learning_rate => 0.004), 'F', 'a learning rate that rounds to nothing');
is(configure(dim_red => 0), 'F', 'no variance to keep');
is(configure(max_epoch => 'many'), 'F', 'letters for a number');
is(configure(template_name => 'tree'), 'F', 'another template');
is(configure(surprise => 1), 'I', 'an unknown key');
is(body('/configure', json({ labels => 'T' })), 'M', 'no model_name');
is(body('/configure', json({ model_name => 'm' })), 'M', 'no labels');
ok(no_json_begins(body('/configure', '--data-binary', 'nonsense')), 'what is no JSON is refused, and not in JSON');
foreach my $name ('', '../../etc/cron.d/x', "a\0b", 'x' x 300, "\x{6a21}\x{578b}")
{
	my $answer = configure(model_name => $name);
	is($answer, ($name eq '../../etc/cron.d/x' || $name =~ /\x{6a21}/) ? '0' : 'F', 'model name ' . encode_json([$name]));
}

# --- before any training ---
is(body('/model_setup', json({ model_name => 'open_ai' })), 'N', 'a model that was never trained');
is(body('/setup', json({ model_name => 'open_ai' })), 'N', 'the documented name of the route');
is(body('/model_setup', json({ modelName => 'open_ai' })), 'M', 'the key is model_name here');
is(body('/track_process', json({ modelName => 'open_ai' })), 'F', 'no log yet');
is(body('/track_process', json({ model_name => 'open_ai' })), 'M', 'and modelName there');
is(upload('/predict', node_line(1, 1, 0, 1, -1)), 'S', 'a prediction without a setup');
is(body('/train', '--data-binary', 'x'), 'M', 'a training without a file');

# --- the training ---
is(configure(), '0', 'configured');
my $answer = upload('/train', workload(150, 1), 'gs_encoding.csv-2020-05-06 07:08:09.123456+08');
my $result = eval { decode_json($answer) };
ok($result, 'a training answers JSON') or diag($answer);
is(join(',', sort keys %$result), 'converged,feature_length,max_mem,max_row,max_startup,max_total,re_mem,re_row,re_startup,re_total', 'its keys');
is($result->{converged}, 1, 'converged on a workload that can be learned');
cmp_ok($result->{re_total}, '<=', 2, 'the ratio error of label T');
cmp_ok($result->{re_total}, '>=', 1, 'which is never below 1');
is("$result->{re_row} $result->{re_mem} $result->{re_startup}", '-1 -1 -1', 'labels that were not asked for');
is($result->{feature_length}, 67, 'feature_length');
cmp_ok($result->{max_total}, '>', 100, 'the largest label');

my $log = body('/track_process', json({ modelName => 'open_ai' }));
ok(-s $log, '/track_process answers the path of a log') or diag($log);
like(slurp_file($log), qr/\[TRAINING\] \[MODEL\]: open_ai  \[Epoch\]: \d+\/40  \[Loss\]: [0-9.]+\n/, 'which shows the course of the training');
my @events = glob(dirname($log) . '/events.out.tfevents.*');
is(scalar @events, 1, 'and TensorBoard\'s events beside it');

# --- predictions ---
sub predict
{
	my ($csv, $model) = @_;
	my $setup = body('/model_setup', json({ model_name => $model // 'open_ai' }));
	return $setup unless $setup eq '0';
	my $text = upload('/predict', $csv);
	return eval { decode_json($text) } // $text;
}

{
	my $one = predict(join '', map { node_line(77, $_, $_ - 1, $_, -1) } 1 .. 3);
	is(join(',', sort keys %$one), 'pred_mem,pred_rows,pred_startup,pred_total', 'its keys');
	is($one->{pred_rows}, undef, 'null for a label that the model has not');
	like($one->{pred_total}, qr/^\d+, \d+, \d+$/, 'a text of whole numbers');
	my $second = predict(join '', node_line(77, 3, 2, 3, -1), node_line(77, 1, 0, 1, -1), node_line(77, 2, 1, 2, -1));
	is($second->{pred_total}, $one->{pred_total}, 'the order of lines does not matter: element k-1 is of plan_node_id k');
	my @values = split /, /, $one->{pred_total};
	cmp_ok($values[0], '>=', $values[2], 'a sub-plan of a plan takes no longer than the plan');
	my $sparse = predict(node_line(1, 2, 0, 6, -1) . node_line(1, 5, 2, 6, -1) . node_line(1, 0, 0, 1, -1));
	like($sparse->{pred_total}, qr/^-1, \d+, -1, -1, \d+$/, 'ids that are not there are filled, nodes without an id are left out');
	is(upload('/predict', node_line(1, 1, 0, 1, -1)), 'S', 'one setup, one prediction');
}

# Predictions on queries that the training has not seen.
{
	my %by_query;
	foreach my $line (split /^/, workload(40, 2))
	{
		my ($query, $id, $parent, $numbers, undef, $time) = split /, /, $line;
		push @{ $by_query{$query} }, [ $time, "$query, $id, $parent, $numbers, -1, -1, -1, -1\n" ];
	}
	my ($sum, $count) = (0, 0);
	foreach my $query (sort keys %by_query)
	{
		my @nodes = @{ $by_query{$query} };
		my @predicted = split /, /, predict(join '', map { $_->[1] } @nodes)->{pred_total};
		for my $i (0 .. $#nodes)
		{
			my $ratio = ($predicted[$i] + 1) / ($nodes[$i][0] + 1);
			$sum += $ratio < 1 ? 1 / $ratio : $ratio;
			$count++;
		}
	}
	cmp_ok($sum / $count, '<=', 2, 'the mean ratio error on unseen queries');
}

# --- a session of the kernel: it reads an answer's first byte and no status, and tries three times ---
my $another = 'Another session is running on AIEngine. If not, please restart AIEngine';
my %meaning = (
	'/configure' => { 0 => 'Model configured successfully.', M => 'AIEngine internal error: missing compulsory key.',
		F => 'AIEngine internal error: configuration contains type error.', I => 'AIEngine internal error: key not unrecognized.' },
	'/train' => { M => 'AIEngine internal error: missing compulsory key.', R => $another, '{' => 'JSON' },
	'/track_process' => { F => 'The training log hasn\'t been generated by AiEngine.', '/' => 'a path',
		M => 'AI engine internal error: missing or wrong key.' },
	'/model_setup' => { 0 => 'Model setup successfully.', M => 'Internal error: missing compulsory key.', R => $another,
		i => 'Internal error: failed to load model, please retrain.',
		N => 'Internal error: model not found, please make sure the model is trained.' },
	'/predict' => { M => 'Internal error: fail to load the file to predict.', '{' => 'JSON',
		S => 'Internal error: session is not loaded, model setup required.' });

# Attempts end with the first answer; the first ones break off in the middle of what they send, as often as is said.
sub kernel
{
	my ($route, $broken, @options) = @_;
	foreach my $attempt (1 .. 3)
	{
		my @cut = $attempt <= $broken ? ('--limit-rate', '1k', '--max-time', '1') : ();
		my ($status, undef, $body) = request($route, '--connect-timeout', 1, @options, @cut);
		return $meaning{$route}{ substr($body, 0, 1) } // "unknown: $body" if $status >= 200;    # 100: only told to go on
		usleep(500_000);
	}
	return 'AI engine connection failed.';
}

sub form
{
	my ($csv) = @_;
	write_file("$place/upload", $csv);
	return ('-H', 'Expect: 100-continue', '-F', "file=\@$place/upload;type=application/octet-stream;filename=\"gs_encoding.csv-2020-05-06 07:08:09.123456+08\"");
}

my %second = (%config, model_name => 'second');
is(kernel('/configure', 0, json(\%second)), 'Model configured successfully.', 'a session: configured');
is(kernel('/train', 2, form(workload(150, 1))), 'JSON', 'trained, though two attempts broke off in the middle of the file');
is(kernel('/train', 3, form(workload(150, 1))), 'AI engine connection failed.', 'three are one too many');
is(kernel('/track_process', 0, json({ modelName => 'second' })), 'a path', 'tracked');
is(kernel('/model_setup', 0, json({ model_name => 'second' })), 'Model setup successfully.', 'set up');
is(kernel('/predict', 1, form(join '', map { node_line(77, $_, $_ - 1, $_ % 20, -1) } 1 .. 400)), 'JSON', 'predicted, at the second attempt');
is(kernel('/predict', 0, form(node_line(1, 1, 0, 1, -1))), 'Internal error: session is not loaded, model setup required.', 'once');
is(kernel('/model_setup', 0, json({ model_name => 'third' })), 'Internal error: model not found, please make sure the model is trained.', 'unknown');
is(kernel('/configure', 0, json({ %second, labels => 'SS' })), 'AIEngine internal error: configuration contains type error.', 'a wrong value');
is(kernel('/configure', 0, json({ %second, seed => 1 })), 'AIEngine internal error: key not unrecognized.', 'an unknown key');
is(kernel('/configure', 0, json({ labels => 'S' })), 'AIEngine internal error: missing compulsory key.', 'a missing key');
is(kernel('/train', 0, '-F', 'x=y'), 'AIEngine internal error: missing compulsory key.', 'no file');
is(kernel('/track_process', 0, json({ modelName => 'third' })), 'The training log hasn\'t been generated by AiEngine.', 'no log');
is(kernel('/track_process', 0, json({ name => 'third' })), 'AI engine internal error: missing or wrong key.', 'no name');

# --- names of models become names of files ---
foreach my $name ('../../etc/cron.d/x', "\x{6a21}\x{578b}")
{
	is(configure(model_name => $name, max_epoch => 1), '0', 'configured');
	ok(eval { decode_json(upload('/train', workload(5, 1))) }, 'a model of any name is trained');
	my @files = split /\n/, qx(find '$data' -type f -path '*opengauss*');
	cmp_ok(scalar @files, '>=', 4, 'and kept');
	is_deeply([ grep { !m{^\Q$data\E/opengauss/10\.0\.0\.7/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$} } @files ], [],
		'where no name leads a file astray');
}

# --- a PostgreSQL server gets the model as well ---
{
	my $wanted = unpack('H*', encode_json({ model_name => 'fourth', labels => 'TR', max_epoch => 2 }));
	my $with = decode_json(upload("/train?bundle=$wanted", workload(20, 3)));
	like($with->{bundle}, qr/^50475052454442 4e[0-9a-f]+$/x, 'the bundle, in hexadecimal digits');
	cmp_ok($with->{re_row}, '>=', 1, 'of what the request itself configures');
	ok(no_json_begins(upload('/train?bundle=00', workload(20, 3))), 'which must be a configuration');
}

# --- malformed files: the contract's 500, never empty, never JSON ---
{
	my $good = node_line(1, 1, 0, 1, 5);
	(my $short = $good) =~ s/, 10, 1$//;
	my %bad = (
		'no rows' => '', 'columns missing' => $short, 'letters' => "a, b, c, d, e, f, g, h\n",
		'not a number' => $good =~ s/ 5, 10/ nan, 10/r, 'another length' => $good . "1, 2, 1, 1 0 1 , 0, 1, 1, 1\n",
		'binary' => join('', map { chr($_ * 37 % 256) } 1 .. 5000), 'a cycle' => node_line(1, 1, 2, 1, 5) . node_line(1, 2, 1, 1, 5),
		'an id twice' => $good . $good, 'a huge field' => '1' x 1_000_000);
	foreach my $what (sort keys %bad)
	{
		write_file("$place/upload", $bad{$what});
		foreach my $route ('/train', '/predict')
		{
			is(body('/model_setup', json({ model_name => 'open_ai' })), '0', 'setup') if $route eq '/predict';
			my ($status, undef, $page) = request($route, '-F', "file=\@$place/upload");
			ok($status == 500 && no_json_begins($page), "$route: $what") or diag("$status $page");
		}
	}
	my ($status, undef, $page) = request('/train', '-F', 'other=value');
	is($page, 'M', 'a form without the file');
	write_file("$place/upload", "x" x 5_000_000);
	($status, undef, $page) = request('/train', '-F', "file=\@$place/upload");
	ok($status == 413 && no_json_begins($page), 'a file beyond the limit') or diag("$status $page");
	my $left = qx(find '$data' -name '*upload*' -size +1k -type f);
	is($left, '', 'nothing of an upload stays');
}

# --- the seed's own sample, on every route ---
foreach my $route (qw(/check /configure /train /track_process /setup /model_setup /predict))
{
	my ($status, $type, $body) =
	  request($route, '-d', '{"modelName":"modelname"}', '-H', 'Content-Type: application/json');
	ok($status == 200 && length $body, "$route answers the sample request: $body");
	my ($out) = qx(curl -sS -o /dev/null -w '%{http_code}' --cacert $ca/demoCA/cacert.pem --cert $ca/client.crt --key $ca/client.key --pass '$password' https://$address$route);
	is($out, '405', "$route answers POST alone");
}

# --- clients are told apart by the name in their certificate, and reach these routes alone ---
{
	local $who = 'other';
	is(predict(node_line(1, 1, 0, 1, -1)), 'N', 'another client has models of its own');
	my ($status) = request('/v1/version', '-X', 'GET');
	is($status, 403, 'the API of our own is not for such certificates');
}
is(body('/model_setup', json({ model_name => 'open_ai' })), '0', 'a setup of one client');
{
	local $who = 'other';
	is(upload('/predict', node_line(1, 1, 0, 1, -1)), 'S', 'is no setup of another');
}
ok(ref predict(node_line(1, 1, 0, 1, -1)), 'and the first goes on');
{
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'curl', '-sS', '--cacert', "$ca/demoCA/cacert.pem", '-X', 'POST', "https://$address/check" ],
		'<', \undef, '>', \$out, '2>', \$err);
	is($out, '', 'without a certificate there is no answer');
}

# --- trained models outlive the process ---
my $before = predict(node_line(1, 1, 0, 3, -1));
stop_engine('KILL');
start_engine();
is_deeply(predict(node_line(1, 1, 0, 3, -1)), $before, 'after kill -9 the model answers as before');
stop_engine('TERM');
start_engine();
is_deeply(predict(node_line(1, 1, 0, 3, -1)), $before, 'and after a restart');
stop_engine('TERM');

# --- an expired authority ---
{
	my ($out, $err) = ('', '');
	openssl('ca', '-batch', '-config', "$ca/openssl.cnf", '-selfsign', '-keyfile', "$ca/demoCA/private/cakey.pem", '-passin',
		"pass:$password", '-startdate', '20200101000000Z', '-enddate', '20210101000000Z', '-extfile', "$ca/ca_ext.txt",
		'-extensions', 'ca_ext', '-in', "$ca/demoCA/careq.pem", '-out', "$ca/demoCA/expired.pem", '-notext');
	rename("$ca/demoCA/expired.pem", "$ca/demoCA/cacert.pem") or die $!;
	my $ok = IPC::Run::run(
		[ 'predictord', 'serve', '--listen', '127.0.0.1:0', '--data-dir', $data, '--ca-dir', $ca ],
		'<', \undef, '>', \$out, '2>', \$err);
	ok(!$ok, 'an expired authority is refused');
	like("$out$err", qr/cacert\.pem.*expired.*openssl x509 .*-signkey/s, 'with the command that issues it again');
}

done_testing();
