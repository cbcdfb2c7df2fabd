module example.com/ask

go 1.23

require (
	github.com/openai/openai-go v0.1.0-alpha.38
	github.com/spf13/cobra v1.8.1
	github.com/tmc/langchaingo v0.1.12 // indirect
)

require github.com/ollama/ollama v0.3.12

replace github.com/sashabaranov/go-openai => ../fork
