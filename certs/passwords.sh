# --- Passwords --------------------------------------------------------------------------------------------------------

# check_password PASSWORD WHOSE
check_password() {
	kinds=0
	for kind in '[a-z]' '[A-Z]' '[0-9]' '[!a-zA-Z0-9]'; do
		# shellcheck disable=SC2254 # a pattern
		case $1 in *$kind*) kinds=$((kinds + 1)) ;; esac
	done
	if [ "${#1}" -lt 8 ] || [ "$kinds" -lt 3 ]; then
		fail "the password of $2 needs at least 8 characters of at least 3 kinds (small letters, capitals, digits, others)"
	fi
}

# read_password FILE: prints its first line.
read_password() {
	[ -r "$1" ] || fail "the password file $1 cannot be read"
	IFS= read -r line <"$1" || [ -n "$line" ] || fail "the password file $1 is empty"
	printf '%s' "$line"
}

# ask PROMPT [secret]: sets $answer to a line of standard input.
ask() {
	printf '%s' "$1" >&2
	if [ $# -gt 1 ] && [ -t 0 ]; then
		terminal=$(stty -g)
		stty -echo
	fi
	IFS= read -r answer || [ -n "$answer" ] || fail "no answer"
	if [ -n "$terminal" ]; then
		stty "$terminal"
		terminal=
		printf '\n' >&2
	fi
}

# Is this key file encrypted?
is_encrypted() {
	grep -q ENCRYPTED "$1"
}

# The authority's key wants its password before anything is begun.
need_authority_key() {
	[ -r "$dir/ca.crt" ] || fail "there is no authority in $dir; make one with: predictor-certs init --dir $dir"
	[ -r "$dir/ca.key" ] || fail "the authority's key $dir/ca.key is not here; certificates are signed where it is"
	is_encrypted "$dir/ca.key" || return 0
	if [ -z "$password" ] && [ -t 0 ]; then
		ask "Password of the authority's key: " secret
		password=$answer
	fi
	[ -n "$password" ] || fail "the authority's key $dir/ca.key is encrypted; give its password with --password-file"
	PREDICTOR_PASSWORD=$password openssl pkey -in "$dir/ca.key" -passin env:PREDICTOR_PASSWORD -noout 2>/dev/null ||
		fail "that is not the password of the authority's key $dir/ca.key"
}
