"""Run the sensors over a host and match what they see: the main job of an agent."""
