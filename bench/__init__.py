"""Figures: what a kill, a change and a request cost here, beside the baselines of others."""
