"""A Keycloak 26.7 for stories: one realm, its login page, tokens, sessions, and the admin calls that we use."""
