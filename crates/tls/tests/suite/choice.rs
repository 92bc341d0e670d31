//! Which certificate a client is shown, and what is spoken then.

use ostler_testing::{Encrypted, SelfSigned};

use crate::{Door, certificates, der};

#[tokio::test]
async fn the_exact_host_wins_then_the_longest_wildcard_then_the_first_certificate() {
    let first = SelfSigned::new(&["first.example"]);
    let all = SelfSigned::new(&["*.apps.localhost"]);
    let previews = SelfSigned::new(&["*.preview.apps.localhost", "SHOP.apps.localhost"]);
    let door = Door::open(certificates(&[&first, &all, &previews])).await;
    for (host, certificate) in [
        ("blog.apps.localhost", &all),
        ("Blog.apps.LOCALHOST", &all),
        ("shop.apps.localhost", &previews),
        ("a.preview.apps.localhost", &previews),
        ("first.example", &first),
        ("second.example", &first),
        ("127.0.0.1", &first),
    ] {
        assert!(door.shown_to(host).await == der(certificate), "{host}");
    }
}

#[tokio::test]
async fn of_two_certificates_for_one_host_the_first_is_shown() {
    let (one, other) = (SelfSigned::new(&["a.localhost"]), SelfSigned::new(&["a.localhost", "b.localhost"]));
    let door = Door::open(certificates(&[&one, &other])).await;
    assert!(door.shown_to("a.localhost").await == der(&one));
    assert!(door.shown_to("b.localhost").await == der(&other));
}

#[tokio::test]
async fn http_2_is_agreed_on_with_those_who_can() {
    let made = SelfSigned::new(&["a.localhost"]);
    let door = Door::open(certificates(&[&made])).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let client = Encrypted::connect(&door.address, "a.localhost", offered).await.unwrap();
        assert_eq!(client.protocol.as_deref(), agreed, "{offered:?}");
    }
    assert!(Encrypted::connect(&door.address, "a.localhost", &["spdy/3"]).await.is_err());
}
