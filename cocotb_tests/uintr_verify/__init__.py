"""How well the gateware is verified: random runs, coverage, mutation, and the data of them.

Stimulus is recorded once from the reference device, cycle by cycle with the outputs that it
expects, and replayed natively on whatever Verilator makes of the gateware.
"""
