"""The commands: one module each, found by walking this folder."""
