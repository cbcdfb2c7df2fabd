"""The agent as a service: one small process that keeps and reports, and children that look."""
