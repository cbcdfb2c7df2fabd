"""Knows what is authorised, and reconciles it with what is used."""
