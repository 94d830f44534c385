"""Every state that three servers of the real core can reach within some bounds, each one checked.

No model of the algorithm: ``steps`` builds a core from its frozen state, gives it one event, and
freezes it again. ``world`` puts three of them and the letters between them together and folds
what is alike, ``search`` goes through it breadth first, ``history`` holds the promises, and
``bugs`` shows that a broken core is found. Run it with ``python -m interrex.simulator.explorer``.

What is explored, folded and left out: docs/simulator-explorer.md.
"""
