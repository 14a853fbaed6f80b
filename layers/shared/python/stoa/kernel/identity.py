"""Who acts, as events and rows name it: a Keycloak `sub`, `gitlab:<user id>` or `machine:<name>`; no personal data."""

SYSTEM = "machine:stoa"
