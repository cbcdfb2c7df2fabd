"""Our client. Usage:

    import anthropic
"""

import os

import openai  # the package, not this file

client = openai.AzureOpenAI(azure_endpoint=f"https://{os.environ['AOAI']}.openai.azure.com")
MODEL = "gpt-4o-mini"
