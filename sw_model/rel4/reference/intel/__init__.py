"""The reference device of the Intel flavour."""
