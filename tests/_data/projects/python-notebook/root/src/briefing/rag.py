from datasets import Table  # our own folder, below
from google import (
    genai,  # Gemini
)
from google.cloud import storage
from . import cohere
import numpy as np, chromadb

# import mistralai
HELP = "pip install cohere"
VECTOR_URL = "https://xyz-example.eu-west-1-0.aws.cloud.qdrant.io:6333/collections"
RERANK = {"model": "rerank-v3.5", "o1": 3}
