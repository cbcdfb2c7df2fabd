export PATH=/opt/homebrew/bin:$PATH
export OPENAI_API_KEY=op://Private/OpenAI/key
