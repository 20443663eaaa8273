"""Layers for anyone's arrays: the cells of `charrnn.nn` with weights of their own, called like a function.

Everything is computed there; here are the forms that people bring their arrays in, and the checks on them.
"""
