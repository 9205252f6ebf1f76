# --- The command check ----------------------------------------------------------------------------------------------

problems=0
problem() {
	printf 'predictor-certs: %s\n' "$*" >&2
	problems=$((problems + 1))
}

# A private key is for its owner alone; one that root owns may be readable for a group. PostgreSQL's rule.
check_key_file() {
	if ! [ -r "$1" ]; then
		problem "$1 is missing or not readable for $(id -un)"
		return
	fi
	# shellcheck disable=SC2012 # mode and owner of one file with a known name
	listing=$(ls -ldnL "$1")
	owner=$(printf '%s\n' "$listing" | awk '{ print $3 }')
	case $listing in
	-r[w-]-------*) ;;
	-r[w-]-r-----*) [ "$owner" = 0 ] || problem "$1 is readable for its group, which only a file of root may be; run: chmod 0600 $1" ;;
	*) problem "$1 has permissions for others than its owner; run: chmod 0600 $1" ;;
	esac
}

# Prints how many days are left until the date $1.
days_until() {
	printf '%s' $((($(date -d "$1" +%s) - $(date +%s)) / 86400))
}

# describe FILE WHAT END: the line for a file that is in order.
describe() {
	left=$(days_until "$3")
	printf '%s: ok, %s, until %s (%s days)\n' "$1" "$2" "$3" "$left"
	[ "$left" -ge 30 ] || printf '%s: expires within 30 days; renew it\n' "$1"
}

# check_lists FILE CA: each revocation list in FILE.
check_lists() {
	count=$(grep -c 'BEGIN X509 CRL' "$1" || true)
	[ "$count" -gt 0 ] || problem "$1 holds no revocation list"
	number=0
	while [ "$number" -lt "$count" ]; do
		number=$((number + 1))
		one=$(awk -v wanted="$number" '/BEGIN X509 CRL/ { at++ } at == wanted' "$1")
		end=$(printf '%s\n' "$one" | openssl crl -noout -nextupdate 2>/dev/null | sed 's/.*=//')
		if [ -z "$end" ]; then
			problem "$1 is damaged"
		elif ! printf '%s\n' "$one" | openssl crl -noout -CAfile "$2" 2>&1 | grep -q 'verify OK'; then
			problem "$1 holds a list that no authority in $2 has signed"
		elif [ "$(date -d "$end" +%s)" -le "$(date +%s)" ]; then
			problem "$1 has expired ($end), and nobody is let in with it; run: predictor-certs renew crl"
		else
			describe "$1" "revocation list" "$end"
		fi
	done
}

# check_pair FILE ROLE CA: certificate FILE.crt and key FILE.key, for role server, client or ca, under authority CA.
check_pair() {
	before=$problems
	if ! openssl x509 -in "$1.crt" -noout 2>/dev/null; then
		problem "$1.crt is not a certificate in PEM form"
		return
	fi
	if [ "$2" != ca ] || [ -e "$1.key" ]; then
		check_key_file "$1.key"
		# An encrypted key asks for its passphrase on a terminal, which this command is not to do.
		if [ -r "$1.key" ] && ! is_encrypted "$1.key" &&
			[ "$(openssl x509 -in "$1.crt" -noout -pubkey)" != "$(openssl pkey -in "$1.key" -pubout 2>/dev/null)" ]; then
			problem "$1.key is not the key of $1.crt"
		fi
	fi
	if ! openssl x509 -in "$1.crt" -noout -checkend 0 >/dev/null; then
		problem "$1.crt has expired ($(field enddate "$1.crt")); make a new one"
	elif [ "$2" = ca ]; then
		openssl verify -CAfile "$3" "$1.crt" >/dev/null 2>&1 || problem "$1.crt is no authority"
	else
		check_leaf "$@"
	fi
	[ "$problems" != "$before" ] || describe "$1.crt" "$2" "$(field enddate "$1.crt")"
}

# The same for a certificate that is in time.
check_leaf() {
	list=$(dirname "$1")/ca.crl
	if ! openssl verify -x509_strict -CAfile "$3" -purpose "ssl$2" "$1.crt" >/dev/null 2>&1; then
		problem "$1.crt is no $2 certificate signed by $3"
	elif [ -e "$list" ] && openssl verify -CAfile "$3" -crl_check -CRLfile "$list" "$1.crt" 2>&1 | grep -q 'certificate revoked'; then
		problem "$1.crt is revoked; make a new one"
	fi
	if [ "$2" = client ] && [ "$(names_of "$1.crt" | tr ',' '\n' | grep -Ec '^(DNS|URI):')" != 1 ]; then
		problem "$1.crt has not exactly one DNS or URI name, so the engine cannot tell who that is"
	fi
}

check() {
	[ $# -le 1 ] || fail "check takes one directory"
	path=${1:-$dir}
	[ -r "$path/ca.crt" ] || fail "there is no ca.crt in $path"
	check_pair "$path/ca" ca "$path/ca.crt"
	[ ! -e "$path/ca.crl" ] || check_lists "$path/ca.crl" "$path/ca.crt"
	for place in "$path" "$path"/server-* "$path"/client-*; do
		for role in server client; do
			if [ -e "$place/$role.crt" ] || [ -e "$place/$role.key" ]; then
				check_pair "$place/$role" "$role" "$path/ca.crt"
			fi
		done
	done
	[ "$problems" -eq 0 ] || exit 1
}
