"""The machine: operations, harts, memory, time, costs, the device protocol and the event log."""
