"""Packets → what they name: flows, reassembly, attribution, volumes, blind spots. Time comes with the packet."""
