import groq
