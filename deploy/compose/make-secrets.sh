#!/bin/sh
# Makes the secrets that compose.yaml names, once: ./secrets/postgres-password and ./secrets/watchbell.env; and ./.env,
# unless there is one, with the origin that is given: sh deploy/compose/make-secrets.sh https://hub.example
# The folder is closed to other users; the files in it are readable, because the containers' users have other numbers.
set -eu
cd "$(dirname "$0")/../.."
if [ -e secrets ]; then
  echo 'There is a folder ./secrets already: nothing was changed. Who loses its secret key loses what it encrypts.' >&2
  exit 1
fi
umask 077
mkdir secrets
password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
printf '%s' "$password" >secrets/postgres-password
cat >secrets/watchbell.env <<END
WATCHBELL_DATABASE_URL=postgres://watchbell:$password@postgres:5432/watchbell
WATCHBELL_SECRET_KEY=$(head -c 32 /dev/urandom | base64)
WATCHBELL_ADMIN_TOKEN=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
END
chmod 0444 secrets/postgres-password secrets/watchbell.env
echo 'Made ./secrets. Keep a copy of it elsewhere, apart from the backups of the database.'
if [ -e .env ]; then
  echo 'There is a file ./.env already: it was not changed. WATCHBELL_ORIGIN must stand in it.' >&2
  exit 0
fi
cat >.env <<END
# Read by compose itself; a variable of the shell beats it. What each means: docs/configuration.md.
WATCHBELL_ORIGIN=${1:-}
WATCHBELL_TRUSTED_PROXIES=
WATCHBELL_OUTBOUND_ALLOW=
END
echo 'Made ./.env. Put the address of your TLS proxy into WATCHBELL_TRUSTED_PROXIES.'
[ -n "${1:-}" ] || echo 'WATCHBELL_ORIGIN in it is empty: put what senders call the hub by there, as https://hub.example.' >&2
