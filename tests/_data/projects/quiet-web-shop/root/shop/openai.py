"""The campaign "Open AIsles"."""
