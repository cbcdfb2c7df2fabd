package main

import (
	"fmt"

	"github.com/openai/openai-go/option"
	// "github.com/sashabaranov/go-openai"
	api "github.com/ollama/ollama/api"
)

import "github.com/spf13/cobra"

/* import "github.com/cohere-ai/cohere-go/v2" */

const base = "https://api.openai.com/v1/"
const note = "not openai.com in a sentence"

var names = []string{"gpt-4.1-mini", "gpt-4 is older"}
