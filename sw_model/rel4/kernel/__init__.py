"""The kernel: seL4's objects and rules as ReL4 has them, user interrupts as kernel resources."""
