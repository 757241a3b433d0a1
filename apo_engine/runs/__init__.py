"""Readers of a run's events: the store and resume."""
