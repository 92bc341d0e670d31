//! Questions: to the user, to the client's model, to the client.

use std::any::TypeId;
use std::sync::Arc;

use ostler_journal::{Json, OpKind, Outcome, Standing};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::ToolContext;
use crate::callable::{Form, Question};
use crate::core::Operation;
use crate::elicit::{Action, ElicitAnswer};
use crate::error::ContextError;
use crate::sample::{Root, Roots};
use crate::schema::{Schema, Validator, form_of};
use crate::{Capabilities, Elicited, Message, Prompt, Sampled, Sampling, ToolResult};

impl ToolContext {
    /// Asks the user by a form, and gives the answer as a `T`. An answer that is not valid is asked for again, with the reason, as
    /// often as the tool allows that ([`Tool::refusals`](crate::Tool::refusals)).
    ///
    /// The tool has to declare the question with [`Tool::elicits`](crate::Tool::elicits).
    ///
    /// # Errors
    /// [`ContextError::Undeclared`], [`ContextError::Unsupported`], [`ContextError::NoValidAnswer`], [`ContextError::Name`].
    pub async fn elicit<T>(&self, key: impl Into<Arc<str>>, prompt: Prompt) -> ToolResult<Elicited<T>>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        let key = key.into();
        let form = self.form::<T>(&key)?;
        let narrowed = prompt.narrow(&form.schema);
        let narrow = narrowed
            .as_ref()
            .map(Validator::new)
            .transpose()
            .map_err(|reason| ContextError::Value { name: Arc::clone(&key), reason })?;
        let validator = narrow.as_ref().unwrap_or(&form.validator);
        let schema = narrowed.as_ref().unwrap_or(&form.schema);
        let (mut refusal, mut tries) = (None::<String>, 0);
        loop {
            let request = prompt.request(schema, refusal.as_deref());
            let Some(answer) = unless_refused(self.ask(OpKind::Elicit, &key, &request, ELICIT_FORM).await)?
            else {
                return Ok(Elicited::Cancelled);
            };
            match read_answer(&answer, validator) {
                Ok(elicited) => return Ok(elicited),
                Err(reason) => {
                    tries += 1;
                    if tries > self.core.callable.limits.refusals {
                        return Err(ContextError::NoValidAnswer { key, tries, reason }.into());
                    }
                    refusal = Some(reason);
                }
            }
        }
    }

    /// Sends the user to `url`, where something has to be done that must not pass through the client, such as a payment, and
    /// gives what the user did with that: accepting means no more than having gone there. Ask again, by a
    /// [`step`](Self::step), whether it has been done.
    ///
    /// The tool has to declare the question with [`Tool::elicits_url`](crate::Tool::elicits_url).
    ///
    /// # Errors
    /// [`ContextError::Undeclared`], [`ContextError::Unsupported`], [`ContextError::Name`].
    pub async fn elicit_url(
        &self,
        key: impl Into<Arc<str>>,
        message: impl Into<String>,
        url: impl Into<String>,
    ) -> ToolResult<Elicited<()>> {
        let key = key.into();
        match self.core.callable.questions.get(&key) {
            Some(Question::Url) => {}
            Some(Question::Form(_)) | None => return Err(ContextError::Undeclared { key }.into()),
        }
        let params = json!({ "mode": "url", "message": message.into(), "url": url.into() });
        let request = json!({ "method": "elicitation/create", "params": params });
        let Some(answer) = unless_refused(self.ask(OpKind::Elicit, &key, &request, ELICIT_URL).await)? else {
            return Ok(Elicited::Cancelled);
        };
        Ok(match answer.read().map(|answer: ElicitAnswer| answer.action) {
            Ok(Action::Accept) => Elicited::Accepted(()),
            Ok(Action::Decline) => Elicited::Declined,
            Ok(Action::Cancel) | Err(_) => Elicited::Cancelled,
        })
    }

    /// Asks the client's model.
    ///
    /// # Errors
    /// [`ContextError::Unsupported`], [`ContextError::Refused`], [`ContextError::Name`], [`ContextError::BranchLimit`];
    /// [`ContextError::NoValidAnswer`] if the client answers something that no model says.
    pub async fn sample(&self, key: impl Into<Arc<str>>, sampling: Sampling) -> ToolResult<Sampled> {
        let key = key.into();
        self.spend(sampling.max_tokens)?;
        let needs = if sampling.tools.is_empty() { SAMPLE } else { SAMPLE_TOOLS };
        let answer = self.ask(OpKind::Sample, &key, &sampling.request(), needs).await?;
        Ok(answer.read().map_err(|error| ContextError::NoValidAnswer {
            key,
            tries: 1,
            reason: error.to_string(),
        })?)
    }

    /// Asks the client's model for a `T`: the schema goes with the question, and an answer that does not fit is asked for again
    /// with what was wrong, `tries` times in all.
    ///
    /// # Errors
    /// [`ContextError::NoValidAnswer`] after the last try, and those of [`sample`](Self::sample).
    pub async fn sample_as<T>(
        &self,
        key: impl Into<Arc<str>>,
        sampling: Sampling,
        tries: u32,
    ) -> ToolResult<T>
    where
        T: DeserializeOwned + JsonSchema + 'static,
    {
        let key = key.into();
        let schema = form_of::<T>();
        let validator = Validator::new(&schema)
            .map_err(|reason| ContextError::Value { name: Arc::clone(&key), reason })?;
        let mut sampling = with_schema(sampling, &schema);
        let mut tried = 0;
        loop {
            let answer = self.sample(Arc::clone(&key), sampling.clone()).await?;
            let text = answer.text();
            tried += 1;
            let reason = match read_sampled(&text, &validator) {
                Ok(value) => return Ok(value),
                Err(reason) => reason,
            };
            if tried >= tries {
                return Err(ContextError::NoValidAnswer { key, tries: tried, reason }.into());
            }
            sampling.messages.push(Message::assistant(text));
            sampling.messages.push(Message::user(format!(
                "That does not fit: {reason}. Answer with JSON of the schema alone."
            )));
        }
    }

    /// Says `text` in this branch's conversation, asks the model to go on with it, and adds its answer.
    ///
    /// # Errors
    /// Those of [`sample`](Self::sample).
    pub async fn converse(&self, key: impl Into<Arc<str>>, text: impl Into<String>) -> ToolResult<Sampled> {
        self.say(Message::user(text));
        let answer = self.sample(key, Sampling::conversation(self.conversation())).await?;
        self.say(Message { role: answer.role, content: answer.content.clone() });
        Ok(answer)
    }

    /// Asks the client where it works.
    ///
    /// # Errors
    /// [`ContextError::Unsupported`]; [`ContextError::NoValidAnswer`] if the client answers something else.
    pub async fn roots(&self) -> ToolResult<Vec<Root>> {
        let key: Arc<str> = Arc::from("roots");
        let answer = self.ask(OpKind::Roots, &key, &json!({ "method": "roots/list" }), ROOTS).await?;
        let roots: Roots = answer.read().map_err(|error| ContextError::NoValidAnswer {
            key,
            tries: 1,
            reason: error.to_string(),
        })?;
        Ok(roots.roots)
    }

    fn form<T: 'static>(&self, key: &Arc<str>) -> Result<&Form, ContextError> {
        match self.core.callable.questions.get(key) {
            Some(Question::Form(form)) if form.answer == TypeId::of::<T>() => Ok(form),
            Some(Question::Form(_) | Question::Url) | None => {
                Err(ContextError::Undeclared { key: Arc::clone(key) })
            }
        }
    }

    async fn ask(&self, kind: OpKind, key: &Arc<str>, request: &Value, needs: Needs) -> ToolResult<Json> {
        let op = Operation::new(&self.core, self.path(), kind, key)?;
        let settled = op.now() == Standing::Settled;
        if !settled {
            let capabilities = self.core.cell().attempt.capabilities;
            match self.early(&op) {
                Some(answer) => op.complete(Outcome::Value(answer)),
                None if (needs.declared)(&capabilities)
                    || self.core.journal(|journal| journal.was_asked(op.number)) =>
                {
                    self.core.journal(|journal| journal.ask(op.number, Json::from(request)));
                }
                // Journaled, since the code goes another way from here, and must do so in a replay for another client too.
                None => op.complete(Outcome::Failed(needs.what.to_owned())),
            }
        }
        match op.outcome().await {
            Outcome::Value(answer) => Ok(answer),
            Outcome::Refused(reason) => Err(ContextError::Refused { key: Arc::clone(key), reason }.into()),
            Outcome::Failed(_) | Outcome::Unknown => {
                Err(ContextError::Unsupported { what: needs.what }.into())
            }
        }
    }

    /// The answer to `op`, if it came before the question.
    fn early(&self, op: &Operation<'_>) -> Option<Json> {
        if self.core.cell().early.is_empty() {
            return None;
        }
        let key = self.core.journal(|journal| journal.op(op.number).key());
        self.core.cell().early.remove(&key)
    }
}

/// What a client has to have declared.
struct Needs {
    what: &'static str,
    declared: fn(&Capabilities) -> bool,
}

const ELICIT_FORM: Needs = Needs { what: "elicitation", declared: |client| client.elicit_form };
const ELICIT_URL: Needs = Needs { what: "elicitation by URL", declared: |client| client.elicit_url };
const SAMPLE: Needs = Needs { what: "sampling", declared: |client| client.sample };
const SAMPLE_TOOLS: Needs = Needs { what: "sampling with tools", declared: |client| client.sample_tools };
const ROOTS: Needs = Needs { what: "roots", declared: |client| client.roots };

/// An answer of the user's; None if the client would not ask.
fn unless_refused(answer: ToolResult<Json>) -> ToolResult<Option<Json>> {
    match answer {
        Err(error) if matches!(error.cause(), Some(ContextError::Refused { .. })) => Ok(None),
        answer => answer.map(Some),
    }
}

fn read_answer<T: DeserializeOwned>(answer: &Json, validator: &Validator) -> Result<Elicited<T>, String> {
    let ElicitAnswer { action, content } = answer.read().map_err(|error| error.to_string())?;
    match action {
        Action::Accept => {
            let content = content.unwrap_or_else(|| json!({}));
            validator.check(&content)?;
            T::deserialize(content).map(Elicited::Accepted).map_err(|error| error.to_string())
        }
        Action::Decline => Ok(Elicited::Declined),
        Action::Cancel => Ok(Elicited::Cancelled),
    }
}

fn with_schema(mut sampling: Sampling, schema: &Schema) -> Sampling {
    let schema = Value::Object(schema.clone());
    let told = format!("Answer with JSON that fits this schema, and with nothing else: {schema}");
    sampling.system_prompt = Some(match sampling.system_prompt.take() {
        Some(prompt) => format!("{prompt}\n\n{told}"),
        None => told,
    });
    sampling
}

fn read_sampled<T: DeserializeOwned>(text: &str, validator: &Validator) -> Result<T, String> {
    // Models like to put JSON into a fenced block.
    let text = text.trim();
    let fenced = text.strip_prefix("```").and_then(|text| text.strip_suffix("```"));
    let text = fenced.map_or(text, |inner| inner.strip_prefix("json").unwrap_or(inner).trim());
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    validator.check(&value)?;
    T::deserialize(value).map_err(|error| error.to_string())
}
