//! Sections: one declaration of a section's keys is its Rust type, its reader, its defaults and its schema.

use crate::document::{Node, Place};
use crate::setting::Setting;

/// One key of a section, as it was declared.
pub(crate) struct Field {
    pub(crate) key: &'static str,
    /// The lines of its doc comment.
    pub(crate) about: &'static [&'static str],
    /// In TOML's notation.
    pub(crate) default: Option<&'static str>,
    pub(crate) bounds: Option<Bounds>,
}

/// The least and the greatest right value, in TOML's notation.
pub(crate) struct Bounds {
    pub(crate) low: &'static str,
    pub(crate) high: &'static str,
    /// Why nothing less is right, for the error.
    pub(crate) why: Option<&'static str>,
}

/// A table with known keys. Implemented by [`section!`].
pub(crate) trait Section: Sized {
    /// Asks the visitor for each key in turn.
    fn visit<V: Visitor>(visitor: &mut V) -> Self;
}

/// What is done with the keys of a section.
pub(crate) trait Visitor {
    /// The value of this key.
    fn field<T: Setting>(&mut self, field: &Field) -> T;
}

/// Declares a section.
///
/// ```text
/// section! {
///     /// What it is about.
///     pub struct Pool {
///         /// What the key does.
///         max_servers: usize = 100, from 1 to 100_000 because "why not fewer";
///         /// A key without a default has a type that can be absent.
///         workers: Option<usize>, from 1 to 1024;
///     }
/// }
/// ```
/// Defaults and bounds are written as in a configuration file, so that they are what a user would write.
macro_rules! section {
    (
        $(#[doc = $about:literal])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $key:ident: $type:ty
                    $(= $default:tt)?
                    $(, from $low:tt to $high:tt $(because $why:literal)?)?;
            )*
        }
    ) => {
        $(#[doc = $about])*
        #[derive(Clone, Debug, PartialEq)]
        $vis struct $name {
            $(
                $(#[doc = $doc])*
                $(#[doc = concat!("\n\nDefault: `", stringify!($default), "`.")])?
                $(#[doc = concat!("\n\nFrom `", stringify!($low), "` to `", stringify!($high), "`.")])?
                $vis $key: $type,
            )*
        }

        impl $crate::section::Section for $name {
            fn visit<V: $crate::section::Visitor>(visitor: &mut V) -> Self {
                Self {$(
                    $key: visitor.field(&$crate::section::Field {
                        key: stringify!($key),
                        about: &[$($doc),*],
                        default: [$(stringify!($default))?].first().copied(),
                        bounds: [$($crate::section::Bounds {
                            low: stringify!($low),
                            high: stringify!($high),
                            why: [$($why)?].first().copied(),
                        })?].into_iter().next(),
                    }),
                )*}
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $crate::section::Section::visit(&mut $crate::visit::Defaults)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::visit::schema::<Self>(generator, &[$($about),*])
            }
        }

        impl $crate::setting::Setting for $name {
            fn expected() -> String {
                "a table".to_owned()
            }

            fn read(
                node: &$crate::document::Node,
                reader: &mut $crate::reader::Reader<'_>,
            ) -> Option<Self> {
                reader.section(node)
            }

            fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                generator.subschema_for::<Self>()
            }

            fn is_section() -> bool {
                true
            }

            fn absent() -> Option<Self> {
                Some(Self::default())
            }

            fn keys(path: &str, into: &mut Vec<String>) {
                $crate::visit::keys_of::<Self>(path, into);
            }
        }
    };
}

pub(crate) use section;

impl Bounds {
    pub(crate) fn words(&self) -> String {
        format!("{} to {}", self.low.replace('_', ""), self.high.replace('_', ""))
    }

    /// What magnitudes are compared with.
    pub(crate) fn limits<T: Setting>(&self) -> (f64, f64) {
        let limit = |text| T::limit(&declared(text)).expect("declared bounds are values of their key's type");
        (limit(self.low), limit(self.high))
    }
}

/// A value out of a declaration.
pub(crate) fn declared(text: &str) -> Node {
    Node::parse_value(text, &Place::File(0..0)).expect("declarations are written in TOML's notation")
}
