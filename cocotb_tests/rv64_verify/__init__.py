"""Verification of the hart: programs, lock-step with Spike, litmus tests."""
