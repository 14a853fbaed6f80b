"""webMethods API Gateway 10.15: its admin REST API, and how an API is published there without a lost call."""
