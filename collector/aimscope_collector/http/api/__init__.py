"""The API for people's tools and for machines: a module for each resource, found by walking this folder."""
