"""What other systems already know: one reader per source of `aimscope import`."""
