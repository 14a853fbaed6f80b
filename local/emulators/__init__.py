"""Strict, stateful stand-ins for the systems that cannot run on a laptop; each is its own HTTP server."""
