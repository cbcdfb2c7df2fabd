"""Reading logs: which format a file is in, which lines are worth reading, what they say."""
