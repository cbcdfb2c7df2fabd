import express from "express";
import Anthropic, {
  type Message,
} from "@anthropic-ai/sdk";
import { groq } from "./groq";
// import Replicate from "replicate";
const query = `select id from "ollama" where x = 1`;

const { Pinecone } = require("@pinecone-database/pinecone");
const region = process.env.REGION;
const model = process.env.MODEL ?? "claude-sonnet-4-20250514";
const vertex = `https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4`;

export async function later() {
  const { ChatOpenAI } = await import("@langchain/openai");
  return new ChatOpenAI({ model: "o3", temperature: 0 });
}
