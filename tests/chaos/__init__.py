"""Processes killed, disks filled, clocks turned: what was acknowledged is there afterwards, and nothing twice."""
