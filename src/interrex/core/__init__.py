"""What every layer speaks of: names, time, epochs, quorums, what is asked for, and its changes.

Nothing here does anything: no clock, no socket, no file, no chance.
"""
