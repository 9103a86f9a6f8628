"""The Intel flavour of user interrupts: UITT, UPID, UIRR. Imports nothing."""
