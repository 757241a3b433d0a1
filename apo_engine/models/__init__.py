"""Chat models and what stands between them and a run: cache, budget, limits, prices, token counts."""
