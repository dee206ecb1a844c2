#!/bin/sh
# A small certificate authority, for a site that has none.
#
#   certificates.sh DIRECTORY authority                     ca.pem, ca.key: keep the key off the servers
#   certificates.sh DIRECTORY server NAME-OR-ADDRESS...     server.pem, server.key: for a Temporal server
#   certificates.sh DIRECTORY client NAME                   NAME.pem, NAME.key: for a worker, an operator, the web UI
#
# Ten years for the authority, one for the others (LONGHAUL_CERTIFICATE_DAYS). Replaces nothing.
set -eu
umask 077

usage() {
  sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[ $# -ge 2 ] || usage
directory=$1 kind=$2
shift 2
case $kind in authority | server | client) ;; *) usage ;; esac
mkdir -p "$directory"
cd "$directory"
days=${LONGHAUL_CERTIFICATE_DAYS:-365}

# request NAME SUBJECT OPTION...: a key and its certificate, NAME.key and NAME.pem
request() {
  name=$1 subject=$2
  shift 2
  for file in "$name.key" "$name.pem"; do
    [ ! -e "$file" ] || { echo "certificates: $directory/$file is there already" >&2 && exit 1; }
  done
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$name.key"
  openssl req -x509 -key "$name.key" -subj "/O=Longhaul/CN=$subject" -out "$name.pem" "$@"
}

# signed NAME SUBJECT OPTION...: the same, signed by the authority
signed() {
  name=$1 subject=$2
  shift 2
  request "$name" "$subject" -CA ca.pem -CAkey ca.key -days "$days" -addext basicConstraints=critical,CA:FALSE \
    -addext keyUsage=critical,digitalSignature "$@"
}

case $kind in
authority)
  request ca 'authority of this site' -days 3650 -addext keyUsage=critical,keyCertSign,cRLSign
  ;;
server)
  # `temporal` is the name by which a server's own services know one another: TEMPORAL_TLS_SERVER_NAME.
  alternatives=DNS:temporal
  for name in "$@"; do
    case $name in
    *:* | [0-9]*.[0-9]*.[0-9]*.[0-9]*) alternatives="$alternatives,IP:$name" ;;
    *) alternatives="$alternatives,DNS:$name" ;;
    esac
  done
  signed server temporal -addext "subjectAltName=$alternatives" -addext extendedKeyUsage=serverAuth,clientAuth
  ;;
client)
  signed "$1" "$1" -addext extendedKeyUsage=clientAuth
  ;;
esac
