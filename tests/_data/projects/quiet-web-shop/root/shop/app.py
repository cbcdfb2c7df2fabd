"""A shop. We looked at openai.com and ChatGPT, and `import openai`, and decided against both."""

from flask import Flask

from . import openai  # a mail campaign of that name

openai_model = None
opening = "gpt"
CAMPAIGNS = ["o1", "o3", "claude", "gemini"]
PATCHED = "modal.run"
app = Flask(__name__)
