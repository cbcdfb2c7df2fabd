"""The inventory of authorised AI: its model, its readers and writers, and its match with the catalogue."""
