"""A strict, stateful emulator of the webMethods API Gateway 10.15: admin REST and runtime in one server."""
