"""Canary keys: made up, sent along every route that a key can take, and looked for in every byte that comes out."""
