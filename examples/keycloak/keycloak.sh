#!/usr/bin/env bash
# Makes a realm that is a transmitter, with the hub as its client: docs/keycloak.md. Keycloak runs with --features=ssf.
#   KEYCLOAK_HOME=/opt/keycloak KEYCLOAK=https://sso.example HUB=https://hub.example bash keycloak.sh
# The client's secret is in the file keycloak.secret; kcadm.sh asks for the administrator's password.
set -euo pipefail
realm=${REALM:-acme}
kcadm() { "$KEYCLOAK_HOME/bin/kcadm.sh" "$@"; }

kcadm config credentials --server "$KEYCLOAK" --realm master --user admin
kcadm create realms -s realm="$realm" -s enabled=true -s eventsEnabled=true -s adminEventsEnabled=true \
  -s 'attributes={"ssf.transmitterEnabled":"true"}'
client=$(kcadm create clients -r "$realm" -i -s clientId=watchbell -s secret="$(cat keycloak.secret)" \
  -s publicClient=false -s standardFlowEnabled=false -s serviceAccountsEnabled=true \
  -s "attributes={\"ssf.enabled\":\"true\",\"ssf.validPushUrls\":\"$HUB/*\",\"ssf.defaultSubjects\":\"ALL\"}")
for scope in ssf.read ssf.manage; do
  id=$(kcadm get client-scopes -r "$realm" --fields id,name --format csv --noquotes | grep ",$scope$" | cut -d, -f1)
  kcadm update "clients/$client/optional-client-scopes/$id" -r "$realm"
done
