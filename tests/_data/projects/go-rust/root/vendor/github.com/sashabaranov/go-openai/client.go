package openai

const apiURL = "https://api.openai.com/v1"
