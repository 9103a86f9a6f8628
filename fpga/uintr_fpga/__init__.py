"""User-interrupt hardware on FPGA boards. Empty so far: the board tops are not written yet."""
