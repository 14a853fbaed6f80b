"""Runs the Lambda functions on one machine: workers, event sources, schedules, the HTTP front."""
