#!/usr/bin/env bash
# Connects the hub to the realm of keycloak.sh, and loads users under both of their names: docs/keycloak.md.
#   KEYCLOAK=https://sso.example WATCHBELL_URL=https://hub.example WATCHBELL_TOKEN=… bash hub.sh
set -euo pipefail

watchbell stream connect "$KEYCLOAK/realms/${REALM:-acme}" --name Keycloak --dialect keycloak \
  --client-id watchbell --secret-file keycloak.secret "${DELIVERY:---push}"
watchbell stream doctor Keycloak
watchbell subject load users.jsonl
