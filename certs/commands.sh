# --- Commands ---------------------------------------------------------------------------------------------------------

check_days() {
	case $days in
	'' | *[!0-9]*) fail "--days needs a number of days" ;;
	esac
	if [ "${#days}" -gt 5 ] || [ "$days" -lt 1 ] || [ "$days" -gt 36500 ]; then
		fail "--days must be from 1 to 36500"
	fi
}

# What the original's script asked, in its order.
ask_for_all() {
	ask "Password for the authority's key (empty: none): " secret
	password=$answer
	[ -z "$password" ] || check_password "$password" "the authority's key"
	if [ -n "$password" ] && [ -t 0 ]; then
		ask "The same once more: " secret
		[ "$answer" = "$password" ] || fail "the two passwords differ"
	fi
	ask "Engine's address, a host name or an IP address (empty: make its certificate later): "
	engine=$answer
	ask "Database's name or address (empty: make its certificate later): "
	database=$answer
}

init() {
	[ $# -eq 0 ] || fail "init takes no names; engine and database are named by --engine and --database"
	if [ -t 0 ] && [ -z "$engine$database$password" ]; then
		ask_for_all
	fi
	[ -z "$password" ] || check_password "$password" "the authority's key"
	[ -z "$key_password" ] || check_password "$key_password" "a key"
	authority_days=${days:-7300}
	days=$authority_days
	check_days
	# A certificate ends with its authority at the latest.
	days=730
	[ "$days" -lt "$authority_days" ] || days=$((authority_days - 1))
	# shellcheck disable=SC2086 # a list of names
	engine_names=$(IFS=,; [ -z "$engine" ] || server_names $engine)
	database_name=$([ -z "$database" ] || client_name "$database")
	begin "$dir"
	new_key ${password:+PREDICTOR_PASSWORD} >"$work/ca.key"
	make_authority "$work/ca.crt" "$authority_days" "$work/ca.key"
	mkdir "$work/issued"
	: >"$work/index"
	make_list "$work" 730
	[ -z "$engine" ] || sign "$work" server "$engine_names" "$work/server-$(as_file_name "${engine%%,*}")"
	[ -z "$database" ] || sign "$work" client "$database_name" "$work/client-$(as_file_name "$database")"
	finish "$dir"
	printf 'authority made in %s\n' "$dir"
	[ -z "$engine" ] || printf 'server certificate for %s made in %s\n' "$engine_names" "$dir/server-$(as_file_name "${engine%%,*}")"
	[ -z "$database" ] || printf 'client certificate for %s made in %s\n' "$database_name" "$dir/client-$(as_file_name "$database")"
}

# sign AUTHORITY ROLE NAMES PLACE: makes the directory PLACE, which others do not see yet.
sign() {
	mkdir -p "$4"
	cp "$1/ca.crt" "$1/ca.crl" "$4/"
	make_leaf "$4/$2" "$2" "$3" "$days" "$1/ca.crt" "$1/ca.key"
	cp "$4/$2.crt" "$1/issued/$(field serial "$4/$2.crt").crt"
}

prepare_leaf() {
	days=${days:-730}
	check_days
	[ -z "$key_password" ] || check_password "$key_password" "the key"
	need_authority_key
	openssl x509 -in "$dir/ca.crt" -noout -checkend $((days * 86400)) >/dev/null 2>&1 ||
		fail "the authority in $dir expires within $days days, and must outlive what it signs; choose fewer --days or make a new authority"
}

# leaf ROLE ALTERNATIVE-NAMES DEFAULT-PLACE
leaf() {
	prepare_leaf
	place=${out:-$dir/$3}
	begin "$place"
	sign "$dir" "$1" "$2" "$work"
	finish "$place"
	printf '%s certificate for %s made in %s\n' "$1" "$2" "$place"
}

server() {
	[ $# -gt 0 ] || fail "server needs the names or addresses under which the engine is reached"
	names=$(server_names "$@")
	leaf server "$names" "server-$(as_file_name "$1")"
}

client() {
	[ $# -eq 1 ] || fail "client needs one name, the identity of the database"
	names=$(client_name "$1")
	leaf client "$names" "client-$(as_file_name "$1")"
}

# Puts $work/ca.crl where the old lists are.
publish_list() {
	for place in "$dir" "$dir"/server-* "$dir"/client-*; do
		[ -e "$place/ca.crl" ] || [ "$place" = "$dir" ] || continue
		cp "$work/ca.crl" "$place/.ca.crl.new"
		mv "$place/.ca.crl.new" "$place/ca.crl"
	done
	rm -rf "$work"
	work=
	printf 'revocation list made in %s, valid until %s\n' "$dir/ca.crl" "$(openssl crl -in "$dir/ca.crl" -noout -nextupdate | sed 's/.*=//')"
	printf 'bring it to every engine and database of this authority; an engine takes it with SIGHUP, a database by itself\n'
}

renew() {
	case $*:$# in
	crl:1) ;;
	server\ *:2 | client\ *:2) ;;
	*) fail "renew takes: server NAME, client NAME, or crl" ;;
	esac
	take_lock_for_change
	if [ "$1" = crl ]; then
		begin_beside "$dir/ca.crl"
		make_list "$dir" "$days"
		publish_list
		return
	fi
	place=$dir/$1-$(as_file_name "$2")
	[ -r "$place/$1.crt" ] || fail "there is no certificate in $place to renew"
	if is_encrypted "$place/$1.key" && [ -z "$key_password" ]; then
		fail "the key in $place is encrypted; give a password for the new one with --key-password-file"
	fi
	names=$(names_of "$place/$1.crt")
	serial=$(field serial "$place/$1.crt")
	begin_beside "$place"
	sign "$dir" "$1" "$names" "$work"
	mkdir -p "$dir/replaced"
	old=$dir/replaced/$1-$(as_file_name "$2")-$serial
	mv -T "$place" "$old"
	mv -T "$work" "$place" || { mv -T "$old" "$place"; fail "cannot rename to $place"; }
	work=
	rm -f "$place/config" "$place/log" "$place/request"
	printf '%s certificate for %s made in %s\n' "$1" "$names" "$place"
	printf 'the one before is in %s and valid until %s; to end it now: predictor-certs revoke %s\n' \
		"$old" "$(field enddate "$old/$1.crt")" "$serial"
}

take_lock_for_change() {
	prepare_leaf
	[ -e "$dir/index" ] || fail "the authority in $dir keeps no records; it was not made by this version of predictor-certs"
	take_lock
}

# Prints the serial numbers of the certificates of role $1 and name $2 that are not revoked.
serials_of() {
	for file in "$dir"/issued/*.crt; do
		if ! [ -e "$file" ] || [ "$(role_of "$file")" != "$1" ]; then continue; fi
		serial=$(basename "$file" .crt)
		case ,$(names_of "$file"), in
		*,"$2",*) is_revoked "$serial" || printf '%s\n' "$serial" ;;
		esac
	done
}

revoke() {
	[ $# -gt 0 ] || fail "revoke needs serial numbers (predictor-certs list shows them), or: server NAME, client NAME"
	take_lock_for_change
	case $1 in
	server | client)
		[ $# -eq 2 ] || fail "revoke $1 needs one name"
		alternative=$("$1_name" "$2")
		# shellcheck disable=SC2046 # a list of numbers
		set -- $(serials_of "$1" "$alternative")
		[ $# -gt 0 ] || fail "no certificate for $alternative is there to be revoked"
		;;
	esac
	for serial in "$@"; do
		[ -e "$dir/issued/$serial.crt" ] || fail "no certificate has the serial number $serial; predictor-certs list shows them"
		! is_revoked "$serial" || fail "the certificate with serial number $serial is revoked already"
	done
	begin_beside "$dir/ca.crl"
	for serial in "$@"; do
		printf '[ca]\ndefault_ca = authority\n[authority]\ndefault_md = sha256\ndatabase = %s\n' "$dir/index" >"$work/config"
		run_openssl ca -revoke "$dir/issued/$serial.crt" -config "$work/config" -cert "$dir/ca.crt" -keyfile "$dir/ca.key" \
			-passin env:PREDICTOR_PASSWORD
		printf 'revoked: %s, %s certificate for %s\n' "$serial" "$(role_of "$dir/issued/$serial.crt")" "$(names_of "$dir/issued/$serial.crt")"
	done
	make_list "$dir" "$days"
	publish_list
}

list() {
	[ $# -eq 0 ] || fail "list takes no names"
	[ -e "$dir/index" ] || fail "there is no authority in $dir"
	printf '%-32s  %-6s  %-7s  %-24s  %s\n' 'serial number' role state until names
	for file in "$dir"/issued/*.crt; do
		[ -e "$file" ] || continue
		serial=$(basename "$file" .crt)
		state=valid
		openssl x509 -in "$file" -noout -checkend 0 >/dev/null || state=expired
		! is_revoked "$serial" || state=revoked
		printf '%-32s  %-6s  %-7s  %-24s  %s\n' "$serial" "$(role_of "$file")" "$state" "$(field enddate "$file")" "$(names_of "$file")"
	done
}

# bundle ROLE NAME DEFAULT-PLACE
bundle() {
	place=${out:-$3-$(as_file_name "$2")}
	source=$dir/$1-$(as_file_name "$2")
	[ -r "$source/$1.crt" ] || fail "there is no certificate in $source; make one with: predictor-certs $1 $2"
	begin "$place"
	cp "$source/$1.crt" "$source/$1.key" "$work/"
	for authority in "$dir" $trusted; do
		if ! [ -r "$authority/ca.crt" ] || ! [ -r "$authority/ca.crl" ]; then fail "there is no authority in $authority"; fi
		cat "$authority/ca.crt" >>"$work/ca.crt"
		cat "$authority/ca.crl" >>"$work/ca.crl"
	done
	finish "$place"
	printf 'made %s; keep its key readable for its owner alone when you copy it\n' "$place"
}

bundle_for_engine() {
	[ $# -eq 1 ] || fail "bundle-for-engine needs the first name of the engine's certificate"
	bundle server "$1" engine
}

bundle_for_database() {
	[ $# -eq 1 ] || fail "bundle-for-database needs the name of the database's certificate"
	bundle client "$1" database
}

# Certificates of an engine that lives as long as its database server does. The authority's key exists in this shell's
# memory only, so that nobody can ever sign a third certificate.
embedded() {
	[ $# -eq 1 ] || fail "embedded needs the directory to make"
	days=${days:-3650}
	check_days
	begin "$1"
	authority_key=$(new_key)
	printf '%s\n' "$authority_key" | make_authority "$work/ca.crt" $((days + 1)) /dev/stdin
	printf '%s\n' "$authority_key" | make_leaf "$work/server" server 'IP:127.0.0.1,DNS:localhost' "$days" "$work/ca.crt" /dev/stdin
	printf '%s\n' "$authority_key" | make_leaf "$work/client" client 'DNS:predictor-embedded' "$days" "$work/ca.crt" /dev/stdin
	authority_key=
	finish "$1"
}
