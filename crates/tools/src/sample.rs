//! Questions to the client's model
//! ([specification](https://modelcontextprotocol.io/specification/2026-07-28/client/sampling)).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Role;

/// What the model is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampling {
    /// The conversation.
    pub messages: Vec<Message>,
    /// What the model is told before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
    /// As many tokens at most.
    pub max_tokens: u32,
    /// How free the answer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Where the answer ends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stop_sequences: Vec<String>,
    /// Which model would be best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_preferences: Option<ModelPreferences>,
    /// Tools that the model may use. The tool that asks runs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Value>,
    /// Whether it has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
}

/// Which model would be best. Priorities are between 0 and 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelPreferences {
    /// Names, or parts of such, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<ModelHint>,
    /// How much low cost matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_priority: Option<f64>,
    /// How much speed matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_priority: Option<f64>,
    /// How much ability matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intelligence_priority: Option<f64>,
}

/// A part of a model's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelHint {
    /// The part.
    pub name: String,
}

/// One thing said in a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// By whom.
    pub role: Role,
    /// What: a content block, or several.
    pub content: Value,
}

impl Message {
    /// What the user says.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::text(Role::User, text.into())
    }

    /// What the model says.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::text(Role::Assistant, text.into())
    }

    fn text(role: Role, text: String) -> Self {
        Self { role, content: json!({ "type": "text", "text": text }) }
    }
}

impl Sampling {
    /// How many tokens an answer may have unless something else is said.
    pub const MAX_TOKENS: u32 = 1024;

    /// Asks `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self::conversation([Message::user(text)])
    }

    /// Goes on with a conversation.
    #[must_use]
    pub fn conversation(messages: impl IntoIterator<Item = Message>) -> Self {
        Self {
            messages: messages.into_iter().collect(),
            system_prompt: None,
            max_tokens: Self::MAX_TOKENS,
            temperature: None,
            stop_sequences: Vec::new(),
            model_preferences: None,
            tools: Vec::new(),
            tool_choice: None,
        }
    }

    /// What the model is told before the conversation.
    #[must_use]
    pub fn system(mut self, prompt: impl Into<String>) -> Self {
        self.system_prompt = Some(prompt.into());
        self
    }

    /// As many tokens at most.
    #[must_use]
    pub const fn max_tokens(mut self, tokens: u32) -> Self {
        self.max_tokens = tokens;
        self
    }

    /// Which model would be best.
    #[must_use]
    pub fn prefer(mut self, preferences: ModelPreferences) -> Self {
        self.model_preferences = Some(preferences);
        self
    }

    /// A tool that the model may use: `name`, what it is for, and the schema of its input. When the model uses it, the answer
    /// has a content block of type `tool_use`; run it and go on with the conversation.
    #[must_use]
    pub fn tool(mut self, name: &str, description: &str, input_schema: &Value) -> Self {
        self.tools.push(json!({ "name": name, "description": description, "inputSchema": input_schema }));
        self
    }

    pub(crate) fn request(&self) -> Value {
        json!({ "method": "sampling/createMessage", "params": self })
    }
}

/// What the model answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sampled {
    /// The model, as a rule.
    pub role: Role,
    /// What it says: a content block, or several.
    pub content: Value,
    /// Which model it was.
    pub model: String,
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse`, or something of the model's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What the protocol does not know.
    #[serde(rename = "_meta", default, skip_serializing_if = "Option::is_none")]
    pub meta: Option<Map<String, Value>>,
}

impl Sampled {
    /// The text of the answer, all of it in one.
    #[must_use]
    pub fn text(&self) -> String {
        self.blocks().filter_map(|block| block.get("text")?.as_str()).collect()
    }

    /// The content blocks of the answer.
    pub fn blocks(&self) -> impl Iterator<Item = &Value> {
        match &self.content {
            Value::Array(blocks) => blocks.iter(),
            one => std::slice::from_ref(one).iter(),
        }
    }
}

/// A folder or another place that the client works in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Where.
    pub uri: String,
    /// What the client calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Roots {
    pub(crate) roots: Vec<Root>,
}
