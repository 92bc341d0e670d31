//! When two header fields are one to a server.
//!
//! Interfaces in the manner of CGI (RFC 3875, section 4.1.18) hand `X-Forwarded-For` over as `HTTP_X_FORWARDED_FOR`. Some servers
//! make that of `X_Forwarded_For` too, and some of `X.Forwarded.For`: whatever is neither letter nor digit.

/// Whether `name` is `field` to such a server. Both are in lower case, as all names here are.
pub(crate) fn is_spelling_of(name: &str, field: &str) -> bool {
    name.len() == field.len() && begins_like(name, field)
}

/// Whether `name` begins with `prefix`, in any spelling.
pub(crate) fn begins_like(name: &str, prefix: &str) -> bool {
    let same = |(one, other): (u8, u8)| {
        one == other || !(one.is_ascii_alphanumeric() || other.is_ascii_alphanumeric())
    };
    name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_words_may_differ() {
        for spelling in ["x-real-ip", "x_real_ip", "x.real_ip", "x~real-ip"] {
            assert!(is_spelling_of(spelling, "x-real-ip"), "{spelling}");
        }
        for other in ["xreal-ip", "x-real-ips", "xarealaip", "y-real-ip", "x--real-ip", "x-real-"] {
            assert!(!is_spelling_of(other, "x-real-ip"), "{other}");
        }
        assert!(begins_like("x_forwarded.port", "x-forwarded-"));
        assert!(!begins_like("x-forwarded", "x-forwarded-"));
    }
}
