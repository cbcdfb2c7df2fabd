"""What children of the agent do: each module has ``DUTY``, which takes a task and a desk."""
