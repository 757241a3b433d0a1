"""Habits that the engine's search does not have, so that it can be measured what they would bring.

Each is the engine's own search with one part exchanged. They reach into protected parts of its classes: what is here is
for measuring, and moves into the engine if it wins.
"""
