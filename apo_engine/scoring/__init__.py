"""Metrics, and the statistics of comparing two prompts."""
