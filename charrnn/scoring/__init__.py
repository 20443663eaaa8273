"""How well a model predicts a text, how well simple methods do, and how much of a sample is copied."""
