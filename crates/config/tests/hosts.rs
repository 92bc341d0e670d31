//! The one form in which hosts are compared.

use ostler_net::{HostError, HostPattern, normalize_host};
use proptest::prelude::*;

use crate::config;

#[test]
fn one_host_has_one_form() {
    for (text, normal) in [
        ("shop.localhost", "shop.localhost"),
        ("SHOP.LocalHost", "shop.localhost"),
        ("shop.localhost.", "shop.localhost"),
        ("shop_1.localhost", "shop_1.localhost"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example.", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]", "[::1]"),
        ("[2001:DB8::A]", "[2001:db8::a]"),
        ("r3---sn-a.localhost", "r3---sn-a.localhost"),
    ] {
        assert_eq!(normalize_host(text).as_deref(), Ok(normal), "{text}");
    }
}

#[test]
fn what_cannot_be_a_host_is_refused() {
    for (text, error) in [
        ("", HostError::Empty),
        (".", HostError::Empty),
        ("a..b", HostError::EmptyLabel),
        (".a", HostError::EmptyLabel),
        ("a.localhost:80", HostError::Port),
        ("[::1]:80", HostError::Port),
        ("::1", HostError::Brackets),
        ("[::1", HostError::Address),
        ("[shop]", HostError::Address),
        ("[fe80::1%eth0]", HostError::Address),
        ("127.1", HostError::Address),
        ("1.2.3.4.5", HostError::Address),
        ("256.0.0.1", HostError::Address),
        ("a b", HostError::Character(' ')),
        ("a/b", HostError::Character('/')),
        ("a@b", HostError::Character('@')),
        ("a\r\nb", HostError::Character('\r')),
        ("*.localhost", HostError::Character('*')),
        ("-a.localhost", HostError::International),
        ("xn--a", HostError::International),
    ] {
        assert_eq!(normalize_host(text), Err(error), "{text}");
    }
    assert_eq!(normalize_host(&"a".repeat(64)), Err(HostError::TooLong));
    assert_eq!(normalize_host(&"a.".repeat(127)).map(|host| host.len()), Ok(253));
    assert_eq!(normalize_host(&"a.".repeat(128)), Err(HostError::TooLong));
}

#[test]
fn a_wildcard_is_every_host_below_its_suffix_and_not_the_suffix() {
    let pattern: HostPattern = pattern("*.Preview.localhost");
    assert_eq!(pattern.to_string(), "*.preview.localhost");
    assert!(pattern.matches("a.preview.localhost"));
    assert!(pattern.matches("b.a.preview.localhost"));
    assert!(!pattern.matches("preview.localhost"));
    assert!(!pattern.matches(".preview.localhost"));
    assert!(!pattern.matches("xpreview.localhost"));
    assert!(!pattern.matches("a.localhost"));
}

fn pattern(host: &str) -> HostPattern {
    config(&format!("[[server]]\nhost = \"{host}\"\nbuiltin = \"echo\"\n")).servers.remove(0).host
}

proptest! {
    #[test]
    fn the_normal_form_of_a_normal_form_is_itself(text in "\\PC{0,40}") {
        if let Ok(normal) = normalize_host(&text) {
            prop_assert_eq!(normalize_host(&normal), Ok(normal));
        }
    }

    #[test]
    fn the_normal_form_is_safe_to_print_and_to_pass_on(text in any::<String>()) {
        if let Ok(normal) = normalize_host(&text) {
            prop_assert!(normal.len() <= 253);
            prop_assert!(normal.bytes().all(|c| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'[' | b']' | b':')));
        }
    }
}
