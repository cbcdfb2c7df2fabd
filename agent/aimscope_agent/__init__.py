"""Sees a machine, and matches what it sees."""
