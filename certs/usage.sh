# The certificates by which a database and the training engine know each other: a small authority, over the openssl
# command (3.0 or newer). POSIX shell, so that it runs wherever a server does.
#
#   predictor-certs init                  make the authority in DIR; on a terminal it asks for a password for the
#                                         authority's key, the engine's address and the database's name or address
#   predictor-certs server NAME-or-IP...  a certificate for an engine reached under these names: DIR/server-NAME/
#   predictor-certs client NAME           a certificate for a database; NAME is its identity: DIR/client-NAME/
#   predictor-certs renew server NAME     a new certificate and key for the same names; the old ones go to DIR/replaced/
#   predictor-certs renew client NAME
#   predictor-certs renew crl             a new revocation list
#   predictor-certs revoke SERIAL...      or: revoke server NAME, revoke client NAME (all certificates of that name)
#   predictor-certs list                  all certificates that were ever signed, and what became of them
#   predictor-certs check [PATH]          is everything in order? PATH is DIR, or a directory made for one side
#   predictor-certs bundle-for-engine NAME     what an engine's host needs and no more, ready to be copied: engine-NAME/
#   predictor-certs bundle-for-database NAME   the same for a database's host: database-NAME/
#   predictor-certs embedded PATH         all that an engine in the box needs, from an authority that ends there and then
#
# Options:   --dir DIR     the authority's directory (or PREDICTOR_CERTS_DIR; default ./predictor-certs)
#            --days N      validity in days (init 7300, certificates and revocation lists 730)
#            --key KIND    ec (P-256, the default) or rsa (3072 bits)
#            --out PATH    where server, client and bundle-for-... put their files
#            --trust DIR   bundles trust this other authority too, while one takes over from the other; repeatable
#            --engine NAME[,NAME...], --database NAME    init makes these two certificates as well, and asks nothing
#                          (or PREDICTOR_CERTS_ENGINE, PREDICTOR_CERTS_DATABASE)
#            --password-file FILE       the password of the authority's key (or PREDICTOR_CERTS_PASSWORD)
#            --key-password-file FILE   encrypt the new key with this password (or PREDICTOR_CERTS_KEY_PASSWORD)
#
# A password has at least 8 characters of at least 3 of these kinds: small letters, capitals, digits, others.
#
# The authority's key never has to leave the machine it was made on: what one side needs is a certificate, its key, ca.crt
# (who to trust) and ca.crl (who not to trust any more), and that is what the directories for one side and the bundles hold.
#
# Rules that every command keeps: files appear complete or not at all (they are made in a temporary directory beside
# their place, which is then renamed); nothing is ever overwritten but revocation lists; keys are 0600; no secret is on a
# command line or in a file in clear.
set -eu
umask 077
# Messages of openssl are read by people; numbers and dates by this script.
LC_ALL=C
export LC_ALL

dir=${PREDICTOR_CERTS_DIR:-./predictor-certs}
days=
key_kind=ec
out=
trusted=
engine=${PREDICTOR_CERTS_ENGINE:-}
database=${PREDICTOR_CERTS_DATABASE:-}
# Kept out of the environment of what we start, but for the one openssl that needs it.
password=${PREDICTOR_CERTS_PASSWORD:-}
key_password=${PREDICTOR_CERTS_KEY_PASSWORD:-}
unset PREDICTOR_CERTS_PASSWORD PREDICTOR_CERTS_KEY_PASSWORD
work=
lock=
terminal=

fail() {
	printf 'predictor-certs: %s\n' "$*" >&2
	exit 1
}

usage() {
	sed -n '5,29s/^# \{0,1\}//p' "$0"
}
