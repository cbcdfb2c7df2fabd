"""The language of aimscope: kinds, nouns, signatures and the matcher."""
