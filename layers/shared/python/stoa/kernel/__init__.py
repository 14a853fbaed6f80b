"""What every capability stands on. Imports nothing else of stoa."""
