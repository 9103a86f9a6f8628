"""Every interleaving of small programs that run the real runtime code."""
