"""Simulated coordination services: what an election outside rests on, and the clients that ask it.

A store is the truth, one and linearizable; servers are the ways to it, which fall, lag and are cut
off; a client is a worker's own, as the adapter in the runtime is.
"""
