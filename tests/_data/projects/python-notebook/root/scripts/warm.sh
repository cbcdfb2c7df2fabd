#!/bin/sh
# pip install litellm
uv pip install --quiet 'sentence-transformers>=3' && echo done
curl -s http://localhost:8000/v1/models
