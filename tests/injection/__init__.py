"""Attacks by rows and by models on what the optimizer reads, and what becomes of them."""
