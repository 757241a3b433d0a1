"""Gradients, edits, selection rules, the optimizers built from them, and the events they yield."""
