"""Reports for those who decide and for those who audit: one module each, found by walking this folder."""
