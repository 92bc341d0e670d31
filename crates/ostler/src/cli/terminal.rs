//! A terminal as the host of a tool: questions line by line, so that they can be answered by a script and by a screen reader
//! too. They go to stderr, since the result goes to stdout.

use std::io::{self, IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use ostler_tools::{
    Capabilities, Elicited, FormRequest, Host, LogLevel, Root, Sampled, Sampling, Schema, SessionEvent,
    SessionEventKind, UrlRequest,
};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::paint::{Paint, Style};
use super::words::printable;

/// Instead of an answer.
const DECLINE: &str = "/decline";
/// Instead of an answer.
const CANCEL: &str = "/cancel";

/// Asks and tells in the terminal that this process runs in.
pub(super) struct Terminal {
    lines: tokio::sync::Mutex<Lines<BufReader<Stdin>>>,
    bar: Mutex<Option<ProgressBar>>,
    paint: Paint,
}

/// What somebody typed.
enum Typed {
    Text(String),
    Decline,
    Cancel,
}

impl Terminal {
    pub(super) fn new() -> Self {
        let lines = tokio::sync::Mutex::new(BufReader::new(tokio::io::stdin()).lines());
        let paint = Paint::when(io::stderr().is_terminal());
        Self { lines, bar: Mutex::new(None), paint }
    }

    /// Nothing more is told.
    pub(super) fn finish(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    fn tell(text: &str) {
        // With nobody to read it, there is nobody to answer either.
        let _ = io::stderr().write_all(text.as_bytes());
        let _ = io::stderr().flush();
    }

    async fn line(lines: &mut Lines<BufReader<Stdin>>, prompt: &str) -> Typed {
        Self::tell(prompt);
        match lines.next_line().await {
            Ok(Some(line)) => {
                if !io::stdin().is_terminal() {
                    // No terminal has shown what was typed, and gone to the next line.
                    Self::tell(&format!("{}\n", printable(&line)));
                }
                match line.trim() {
                    DECLINE => Typed::Decline,
                    CANCEL => Typed::Cancel,
                    text => Typed::Text(text.to_owned()),
                }
            }
            // Nobody is there.
            Ok(None) | Err(_) => Typed::Cancel,
        }
    }
}

impl Host for Terminal {
    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn elicit(&self, form: FormRequest) -> Elicited<Value> {
        self.finish();
        ask_form(self, &form.message, &form.schema).await
    }

    async fn open(&self, url: UrlRequest) -> Elicited<()> {
        self.finish();
        let mut lines = self.lines.lock().await;
        Self::tell(&format!("\n{}\n  {}\n", printable(&url.message), printable(&url.url)));
        match Self::line(&mut lines, "  Enter when you have been there, /decline or /cancel: ").await {
            Typed::Text(_) => Elicited::Accepted(()),
            Typed::Decline => Elicited::Declined,
            Typed::Cancel => Elicited::Cancelled,
        }
    }

    async fn sample(&self, _: &str, sampling: Sampling) -> Result<Sampled, String> {
        self.finish();
        let mut lines = self.lines.lock().await;
        let heading = self.paint.style(Style::Heading, "The tool asks a model. Answer in its place:");
        Self::tell(&format!("\n{heading}\n"));
        for message in &sampling.messages {
            let text =
                message.content["text"].as_str().map_or_else(|| message.content.to_string(), Into::into);
            Self::tell(&format!("  {}\n", printable(&text)));
        }
        match Self::line(&mut lines, "  > ").await {
            Typed::Text(text) => serde_json::from_value(json!({
                "role": "assistant", "content": { "type": "text", "text": text }, "model": "terminal",
            }))
            .map_err(|error| error.to_string()),
            Typed::Decline | Typed::Cancel => Err("nobody answered in the model's place".into()),
        }
    }

    async fn roots(&self) -> Vec<Root> {
        let here = std::env::current_dir().ok().map(|path| Root {
            uri: format!("file://{}", path.display()),
            name: path.file_name().map(|name| name.to_string_lossy().into_owned()),
        });
        here.into_iter().collect()
    }

    async fn hear(&self, event: SessionEvent) {
        match event.kind {
            SessionEventKind::Progress { progress, total, message } => {
                self.progress(progress, total, message);
            }
            SessionEventKind::Log { level, data, .. } => {
                let style = if level >= LogLevel::Warning { Style::Changing } else { Style::Faint };
                let text = data.read().unwrap_or_else(|_| data.as_str().to_owned());
                let line = self.paint.style(style, format!("{}: {}", level.as_str(), printable(&text)));
                let bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
                match &*bar {
                    Some(bar) => bar.suspend(|| Self::tell(&format!("{line}\n"))),
                    None => Self::tell(&format!("{line}\n")),
                }
            }
            // It is asked, and gets the result, in other ways.
            SessionEventKind::ElicitRequest(_)
            | SessionEventKind::SampleRequest(_)
            | SessionEventKind::RootsRequest(_)
            | SessionEventKind::Result(_)
            | SessionEventKind::Error(_)
            | SessionEventKind::Cancelled => {}
        }
    }
}

impl Terminal {
    fn progress(&self, progress: f64, total: Option<f64>, message: Option<String>) {
        let message = printable(&message.unwrap_or_default());
        if !io::stderr().is_terminal() {
            let of = total.map(|total| format!("/{total}")).unwrap_or_default();
            return Self::tell(&format!("{progress}{of} {message}\n"));
        }
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bar.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg}");
            ProgressBar::new(1000).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
        let at = total.map_or(0.0, |total| (progress / total * 1000.0).clamp(0.0, 1000.0)) as u64;
        bar.set_position(at);
        bar.set_message(message);
    }
}

/// Asks for the fields of `schema`, one after the other.
pub(super) async fn ask_form(terminal: &Terminal, message: &str, schema: &Schema) -> Elicited<Value> {
    let mut lines = terminal.lines.lock().await;
    if !message.is_empty() {
        let message: Vec<_> = message.lines().map(printable).collect();
        Terminal::tell(&format!("\n{}\n", terminal.paint.style(Style::Heading, message.join("\n"))));
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let mut answer = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let field = Field::new(name, property, schema, is_required(name));
        Terminal::tell(&field.intro());
        loop {
            let typed = match Terminal::line(&mut lines, &field.prompt()).await {
                Typed::Text(text) => text,
                Typed::Decline => return Elicited::Declined,
                Typed::Cancel => return Elicited::Cancelled,
            };
            match field.read(&typed) {
                Ok(Some(value)) => answer.insert(name.clone(), value),
                Ok(None) => None,
                Err(reason) => {
                    Terminal::tell(&format!("  {}\n", terminal.paint.style(Style::Changing, reason)));
                    continue;
                }
            };
            break;
        }
    }
    Elicited::Accepted(Value::Object(answer))
}

/// One field of a form.
struct Field<'a> {
    name: &'a str,
    description: Option<&'a str>,
    kind: Kind,
    default: Option<&'a Value>,
    required: bool,
}

enum Kind {
    Text,
    Number,
    Integer,
    Boolean,
    /// Values, and what they are shown as.
    One(Vec<(Value, String)>),
    Several(Vec<(Value, String)>),
    /// Something that no form has, as JSON.
    Json,
}

impl<'a> Field<'a> {
    fn new(name: &'a str, property: &'a Value, schema: &'a Schema, required: bool) -> Self {
        let property = resolve(property, schema);
        let title = property["title"].as_str();
        let description = property["description"].as_str().or(title);
        let kind = Kind::of(property, schema);
        Self { name, description, kind, default: property.get("default"), required }
    }

    fn intro(&self) -> String {
        let mut text = match self.description {
            Some(description) => format!("  {} ({})\n", printable(self.name), printable(description)),
            None => format!("  {}\n", printable(self.name)),
        };
        if let Kind::One(choices) | Kind::Several(choices) = &self.kind {
            for (number, (_, shown)) in choices.iter().enumerate() {
                text.push_str(&format!("    {}. {}\n", number + 1, printable(shown)));
            }
        }
        text
    }

    fn prompt(&self) -> String {
        let kind = match &self.kind {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Integer => "whole number",
            Kind::Boolean => "y/n",
            Kind::One(_) => "number",
            Kind::Several(_) => "numbers, as in 1,3",
            Kind::Json => "JSON",
        };
        match (self.default, self.required) {
            (Some(default), _) if !default.is_null() => format!("  {kind} [{default}]: "),
            (_, true) => format!("  {kind}: "),
            (_, false) => format!("  {kind}, or nothing: "),
        }
    }

    /// The value, or none if there need not be one.
    fn read(&self, typed: &str) -> Result<Option<Value>, String> {
        if typed.is_empty() && !matches!(self.kind, Kind::Text if self.required) {
            return match self.default {
                Some(default) => Ok(Some(default.clone()).filter(|value| !value.is_null())),
                None if self.required => Err("there has to be an answer: /decline or /cancel if not".into()),
                None => Ok(None),
            };
        }
        let value = match &self.kind {
            Kind::Text => typed.into(),
            Kind::Number => typed.parse::<f64>().map_err(|_| "that is no number")?.into(),
            Kind::Integer => typed.parse::<i64>().map_err(|_| "that is no whole number")?.into(),
            Kind::Boolean => match typed.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" => true.into(),
                "n" | "no" | "false" => false.into(),
                _ => return Err("y or n".into()),
            },
            Kind::One(choices) => pick(choices, typed)?,
            Kind::Several(choices) => {
                typed.split(',').map(|one| pick(choices, one.trim())).collect::<Result<_, _>>()?
            }
            Kind::Json => serde_json::from_str(typed).map_err(|error| error.to_string())?,
        };
        Ok(Some(value))
    }
}

impl Kind {
    fn of(property: &Value, schema: &Schema) -> Self {
        if let Some(choices) = choices(property) {
            return Self::One(choices);
        }
        let kinds = match &property["type"] {
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
            kind => kind.as_str(),
        };
        match kinds {
            Some("string") => Self::Text,
            Some("number") => Self::Number,
            Some("integer") => Self::Integer,
            Some("boolean") => Self::Boolean,
            Some("array") => choices(resolve(&property["items"], schema)).map_or(Self::Json, Self::Several),
            Some(_) | None => Self::Json,
        }
    }
}

/// What a reference leads to, and an optional value's own schema.
fn resolve<'a>(property: &'a Value, schema: &'a Schema) -> &'a Value {
    let target = property["$ref"].as_str().and_then(|target| target.strip_prefix("#/$defs/"));
    let defined = target.and_then(|name| schema.get("$defs")?.get(name));
    let some = property["anyOf"].as_array().and_then(|of| of.iter().find(|one| one["type"] != "null"));
    match (defined, some) {
        (Some(defined), _) => defined,
        (None, Some(some)) if some.get("const").is_none() => resolve(some, schema),
        (None, _) => property,
    }
}

/// The values that may be chosen, and what they are shown as.
fn choices(property: &Value) -> Option<Vec<(Value, String)>> {
    let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), Into::into);
    if let Some(values) = property["enum"].as_array() {
        let names = property["enumNames"].as_array();
        let name = |index: usize| names?.get(index)?.as_str();
        let choice = |(index, value): (usize, &Value)| {
            (value.clone(), name(index).map_or_else(|| shown(value), Into::into))
        };
        return Some(values.iter().enumerate().map(choice).collect());
    }
    let titled = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array())?;
    let choice = |one: &Value| {
        let value = one.get("const")?;
        Some((value.clone(), one["title"].as_str().map_or_else(|| shown(value), Into::into)))
    };
    titled.iter().map(choice).collect()
}

fn pick(choices: &[(Value, String)], typed: &str) -> Result<Value, String> {
    let by_number = typed.parse::<usize>().ok().and_then(|number| choices.get(number.checked_sub(1)?));
    let by_name =
        || choices.iter().find(|(value, shown)| value == typed || shown.eq_ignore_ascii_case(typed));
    let picked = by_number.or_else(by_name).ok_or_else(|| format!("1 to {}", choices.len()))?;
    Ok(picked.0.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(property: &Value, required: bool, typed: &str) -> Result<Option<Value>, String> {
        let schema = Schema::new();
        Field::new("field", property, &schema, required).read(typed)
    }

    #[test]
    fn what_is_typed_becomes_the_value_that_the_schema_asks_for() {
        let text = json!({ "type": "string" });
        let row = json!({ "type": "integer", "default": 7 });
        let seat = json!({ "type": "string", "oneOf": [
            { "const": "w", "title": "Window" }, { "const": "a", "title": "Aisle" } ] });
        let meals = json!({ "type": "array", "items": { "type": "string", "enum": ["fish", "rice"] } });
        let table = [
            (&text, true, "Rome", json!("Rome")),
            (&row, true, "12", json!(12)),
            (&row, true, "", json!(7)),
            (&json!({ "type": "number" }), true, "1.5", json!(1.5)),
            (&json!({ "type": "boolean" }), true, "Y", json!(true)),
            (&seat, true, "2", json!("a")),
            (&seat, true, "window", json!("w")),
            (&meals, true, "2,1", json!(["rice", "fish"])),
            (&json!({ "type": ["string", "null"] }), false, "x", json!("x")),
        ];
        for (property, required, typed, value) in table {
            assert_eq!(field(property, required, typed), Ok(Some(value)), "{typed} for {property}");
        }
        assert_eq!(field(&text, false, ""), Ok(None));
        for (property, typed) in [(&row, "many"), (&seat, "3"), (&seat, "0"), (&meals, "1,9")] {
            assert!(field(property, true, typed).is_err(), "{typed} for {property}");
        }
    }
}
