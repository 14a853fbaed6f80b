"""A strict, stateful emulator of AWX 24.6.1: its API v2, and runs of the playbooks with Ansible."""
