"""The mathematics: arrays in, arrays out. No file, clock, print or global state.

Shape letters, here and in every test: T time steps, B parallel streams (batch), D input width, H hidden units,
V characters in the vocabulary, L layers. Sequences are time-major, ``(T, B, ·)``.
"""
