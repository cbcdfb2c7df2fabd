set -gx OPENROUTER_API_KEY sk-or-v1-0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e
set -gx EDITOR vim
