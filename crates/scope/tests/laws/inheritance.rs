//! Law 9: what a scope hands down.

use std::sync::Arc;

use crate::support::root;

#[derive(Debug, PartialEq)]
struct Region(&'static str);

#[derive(Debug, PartialEq)]
struct Limit(u32);

/// Law 9.
#[tokio::test]
async fn context_is_inherited_and_what_a_child_sets_stays_with_it() {
    let root = root();
    let parent = root
        .child("parent")
        .context(Region("west"))
        .context(Region("north"))
        .context(Limit(1))
        .open()
        .unwrap();
    let group = parent.group("members").unwrap();
    let member = group.scope("member").open().unwrap();
    let child = member.child("child").context(Region("south")).open().unwrap();
    let grandchild = child.child("grandchild").open().unwrap();
    assert_eq!(member.context(), Some(Arc::new(Region("north"))));
    assert_eq!(grandchild.context(), Some(Arc::new(Region("south"))));
    assert_eq!(grandchild.context(), Some(Arc::new(Limit(1))));
    assert_eq!(parent.context(), Some(Arc::new(Region("north"))));
    assert_eq!(root.context::<Region>(), None);
    root.halt().await;
}
