"""Formal proofs of the gateware: properties as specifications, and what runs them."""
