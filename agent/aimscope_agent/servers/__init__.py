"""AI servers on the network: targets, probes, what tells a product."""
