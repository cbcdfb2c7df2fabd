export const groq = { host: "api.groq.com", gpt: "gpt", o1: ["o1"] };
