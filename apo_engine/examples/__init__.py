"""Example sets: load, check, split, fingerprint."""
