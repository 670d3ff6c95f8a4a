# A provider of security events, by Okta's own Terraform provider. The hub's origin stands in http_proxy, so that neither TLS nor
# port 443 is needed; the token comes from OKTA_API_TOKEN.
terraform {
  required_providers {
    okta = {
      source = "okta/okta"
    }
  }
}

provider "okta" {
  org_name   = "watchbell"
  base_url   = "example.com"
  http_proxy = "http://127.0.0.1:8080"
}

resource "okta_security_events_provider" "vendor" {
  name       = "Vendor"
  type       = "vendor"
  is_enabled = "ACTIVE"
  settings {
    issuer   = "https://vendor.example"
    jwks_url = "https://vendor.example/jwks.json"
  }
}
