"""The gateware behind the device protocol: RTL simulated by Verilator or Icarus, driven by cocotb.

`uintr_cosim.device.run` is the device ``rtl`` of the entry-point group ``rel4.devices``.
"""
