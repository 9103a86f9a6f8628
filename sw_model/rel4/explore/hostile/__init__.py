"""Hostile programs: untrusted threads try everything beside a victim, and a monitor looks on."""
