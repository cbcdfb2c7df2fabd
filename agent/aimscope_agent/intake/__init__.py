"""Where traffic and logs come from: captures, files, followed files, listeners: the edge that does I/O."""
