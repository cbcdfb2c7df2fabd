// see openai.com
import htmx from "htmx.org";
import ollama from "./ollama.js";
const gemini = { email: "ann@openai.com", url: "https://openai.com.example.net/", other: "https://notopenai.com" };
