//! use async_openai::Client;
use async_openai::{config::OpenAIConfig, Client};
pub use ::qdrant_client::Qdrant;
use crate::openai;

/// Model of the embedding.
pub const MODEL: &str = "text-embedding-3-large";
