"""Daily briefings."""
