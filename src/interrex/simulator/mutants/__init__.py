"""Planted bugs, one at a time: the proof that the simulator can fail.

Nothing in here imports a core: a bug is planted before the module that it belongs to is loaded.
"""
