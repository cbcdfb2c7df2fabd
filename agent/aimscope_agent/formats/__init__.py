"""Log formats: engines (`_engine_*.py`), and one map per product (`<name>.yaml`), found by walking."""
