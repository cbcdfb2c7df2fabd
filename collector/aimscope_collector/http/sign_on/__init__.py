"""Logging in elsewhere: OpenID Connect Core 1.0, the authorisation code flow with PKCE (RFC 7636)."""
