//! One word out of a few.

/// Declares an enum each of whose variants is written as one word.
macro_rules! choice {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])* $variant:ident = $word:literal, )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(
                #[doc = concat!("`\"", $word, "\"`:")]
                $(#[doc = $doc])*
                $variant,
            )*
        }

        impl $name {
            const WORDS: &[&str] = &[$($word),*];
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }

        impl $crate::setting::Scalar for $name {
            fn expected() -> String {
                $crate::words::one_of(Self::WORDS)
            }

            fn parse(value: &$crate::document::Value) -> Result<Self, $crate::setting::Fault> {
                match value.text() {
                    $(Some($word) => Ok(Self::$variant),)*
                    Some(other) => Err($crate::setting::unknown_word(other, Self::WORDS)),
                    None => Err($crate::setting::Fault::kind(value)),
                }
            }

            fn schema() -> schemars::Schema {
                let choices = [$(serde_json::json!({
                    "const": $word,
                    "description": $crate::words::prose(&[$($doc),*]),
                })),*];
                schemars::json_schema!({ "type": "string", "oneOf": choices })
            }
        }
    };
}

pub(crate) use choice;

use super::Fault;
use crate::words::{nearest, quoted};

/// A word that is none of `words`.
pub(crate) fn unknown_word(word: &str, words: &[&str]) -> Fault {
    let fault = Fault::new(format!("{} is none of these", quoted(word)));
    match nearest(word, words.iter().copied()) {
        Some(near) => fault.help(format!("did you mean \"{near}\"?")),
        None => fault,
    }
}
