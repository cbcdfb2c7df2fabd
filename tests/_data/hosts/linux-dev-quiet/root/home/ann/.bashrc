export EDITOR=vim
# export OPENAI_API_KEY=changeme
export OPENAI_API_KEY="$(pass show openai)"
export ANTHROPIC_API_KEY=${WORK_KEY}
alias ll='ls -l'
