"""Real programs that run the platform on one machine: Apache Kafka, PostgreSQL, OpenBao."""
