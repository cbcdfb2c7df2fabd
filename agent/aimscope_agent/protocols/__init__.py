"""Bytes → fields, sans-I/O, one protocol per module: never raises on hostile bytes, keeps no unbounded state."""
