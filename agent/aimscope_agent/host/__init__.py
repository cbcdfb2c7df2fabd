"""A host that may be live, a mounted image, a folder or a recorded tree: the only way a sensor sees a machine."""
