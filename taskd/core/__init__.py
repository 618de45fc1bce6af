"""The pure core: told the time and what happened, it answers with what to do.

Nothing here does I/O, reads a clock, starts a thread, logs, or draws a random number that was not
passed in. The daemon, the library and the test simulator all drive this same code.
"""
