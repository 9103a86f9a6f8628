"""Proofs of the hart, and the broken designs that they have to notice."""
