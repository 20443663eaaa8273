"""Honest figures: how well a model reads a text, what simple methods reach on it, and what a sample has copied."""
