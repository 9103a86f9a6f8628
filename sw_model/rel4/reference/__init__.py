"""The reference device: all user-interrupt hardware in plain Python, exact to the cycle."""
