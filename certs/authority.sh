# --- openssl ----------------------------------------------------------------------------------------------------------

# Runs openssl with its chatter kept for the case that it fails; it knows the passwords by their names.
run_openssl() {
	if ! PREDICTOR_PASSWORD=$password PREDICTOR_KEY_PASSWORD=$key_password openssl "$@" 2>"$work/log"; then
		cat "$work/log" >&2
		fail "openssl $1 failed; its message is above"
	fi
}

# new_key [VARIABLE]: prints a new private key, encrypted with the password in the named variable.
new_key() {
	case $key_kind in
	rsa) set -- -algorithm RSA -pkeyopt rsa_keygen_bits:3072 ${1:+-aes-256-cbc -pass "env:$1"} ;;
	*)
		set -- -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve \
			${1:+-aes-256-cbc -pass "env:$1"}
		;;
	esac
	PREDICTOR_PASSWORD=$password PREDICTOR_KEY_PASSWORD=$key_password openssl genpkey "$@" 2>/dev/null ||
		fail "openssl cannot make a key; is it installed, and 3.0 or newer?"
}

# Writes $work/config for a certificate with common name $1; its extensions are read from standard input.
# Our own configuration, so that the machine's openssl.cnf adds nothing.
write_config() {
	{
		printf '[req]\ndistinguished_name = subject\nprompt = no\nx509_extensions = extensions\n'
		# A common name has room for 64 characters. Identity is in the alternative names alone.
		printf '[subject]\nO = Predictor for PostgreSQL\nCN = %.64s\n[extensions]\n' "$1"
		cat
	} >"$work/config"
}

# make_authority FILE DAYS KEY: a self-signed certificate for an authority's key file. Its name is like no other's, so
# that two authorities can be trusted side by side.
make_authority() {
	write_config "Predictor authority $(openssl rand -hex 4)" <<-'END'
		basicConstraints = critical, CA:TRUE, pathlen:0
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
	END
	run_openssl req -x509 -new -sha256 -config "$work/config" -key "$3" -passin env:PREDICTOR_PASSWORD -days "$2" -out "$1"
}

# make_leaf FILE ROLE NAMES DAYS CA CA-KEY: certificate FILE.crt with key FILE.key for role server or client and these
# subject alternative names, signed by the authority.
make_leaf() {
	first_name=${3%%,*}
	write_config "${first_name#*:}" <<-END
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = ${2}Auth
		subjectAltName = $3
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
	END
	new_key ${key_password:+PREDICTOR_KEY_PASSWORD} >"$1.key"
	run_openssl req -new -sha256 -config "$work/config" -key "$1.key" -passin env:PREDICTOR_KEY_PASSWORD -out "$work/request"
	run_openssl x509 -req -sha256 -in "$work/request" -CA "$5" -CAkey "$6" -passin env:PREDICTOR_PASSWORD \
		-set_serial "0x4$(openssl rand -hex 15)" -days "$4" -extfile "$work/config" -extensions extensions -out "$1.crt"
}

# make_list AUTHORITY DAYS: a revocation list of the authority in that directory, in $work/ca.crl.
make_list() {
	{
		printf '[ca]\ndefault_ca = authority\n[authority]\ndefault_md = sha256\ndatabase = %s\n' "$1/index"
		printf 'crl_extensions = extensions\n[extensions]\nauthorityKeyIdentifier = keyid\n'
	} >"$work/config"
	run_openssl ca -gencrl -config "$work/config" -cert "$1/ca.crt" -keyfile "$1/ca.key" \
		-passin env:PREDICTOR_PASSWORD -crldays "$2" -out "$work/ca.crl"
}

field() {
	openssl x509 -in "$2" -noout "-$1" 2>/dev/null | sed 's/^[^=]*=//'
}

# Prints the alternative names of certificate $1, as subjectAltName wants them.
names_of() {
	openssl x509 -in "$1" -noout -ext subjectAltName 2>/dev/null | sed -n 's/IP Address:/IP:/g; s/, */,/g; s/^ *//; 2p'
}

# Prints server or client.
role_of() {
	case $(openssl x509 -in "$1" -noout -ext extendedKeyUsage 2>/dev/null) in
	*'Server Auth'*) printf server ;;
	*) printf client ;;
	esac
}

is_revoked() {
	awk -F '\t' -v serial="$1" '$1 == "R" && $4 == serial { found = 1 } END { exit !found }' "$dir/index"
}
