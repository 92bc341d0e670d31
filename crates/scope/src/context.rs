//! Values that a scope hands down to everything below it.

use std::any::{Any, TypeId};
use std::sync::Arc;

/// A chain of frames, one for each scope that set something; scopes that set nothing share their parent's.
#[derive(Clone, Default)]
pub(crate) struct Context {
    frame: Option<Arc<Frame>>,
}

struct Frame {
    /// A handful at most, so a list beats a map.
    values: Vec<Value>,
    /// Where to look for what is not here.
    outer: Context,
}

/// One value under its type.
pub(crate) type Value = (TypeId, Arc<dyn Any + Send + Sync>);

// === impl Context ===

impl Context {
    /// This context with `values` in front of it.
    pub(crate) fn extend(&self, values: Vec<Value>) -> Self {
        if values.is_empty() {
            return self.clone();
        }
        Self { frame: Some(Arc::new(Frame { values, outer: self.clone() })) }
    }

    /// The nearest value of type `T`.
    pub(crate) fn get<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        let wanted = TypeId::of::<T>();
        let mut context = self;
        while let Some(frame) = &context.frame {
            if let Some((_, value)) = frame.values.iter().rev().find(|(key, _)| *key == wanted) {
                return Arc::clone(value).downcast().ok();
            }
            context = &frame.outer;
        }
        None
    }
}
