#!/bin/sh
# Makes the secrets that compose.yaml names, once: ./secrets/postgres-password and ./secrets/watchbell.env.
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
