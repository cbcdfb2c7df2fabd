"""One module per file type, found by walking. Each ends in ``READER = Reader(...)``."""
