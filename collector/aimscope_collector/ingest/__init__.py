"""What agents send, from the first byte to rows that the writer keeps. Bounds come before anything else."""
