"""User-interrupt hardware in Amaranth: sender tables, receivers, controller and hart units."""
