//! Durations and foreign text, for people.

use std::time::Duration;

/// A duration in its two largest units: `45ms`, `3.2s`, `12s`, `2m 5s`, `3h 4m`, `2d 1h`.
pub(super) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |large: u64, one: &str, small: u64, other: &str| match small {
        0 => format!("{large}{one}"),
        _ => format!("{large}{one} {small}{other}"),
    };
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..10 => format!("{}.{}s", seconds, duration.subsec_millis() / 100).replace(".0s", "s"),
        10..60 => format!("{seconds}s"),
        60..3_600 => two(seconds / 60, "m", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// The same for seconds as they come in JSON.
pub(super) fn human_seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "?".to_owned(), human)
}

/// Text that a server or a peer chose, without what would move the cursor or change the colour of a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// An argument vector as it would be typed in a shell.
pub(super) fn command_line(argv: &[String]) -> String {
    let quoted = |argument: &String| {
        let plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,{}".contains(c);
        match !argument.is_empty() && argument.chars().all(plain) {
            true => argument.clone(),
            false => format!("'{}'", printable(argument).replace('\'', r"'\''")),
        }
    };
    argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (45, "45ms"),
            (1_000, "1s"),
            (3_250, "3.2s"),
            (12_900, "12s"),
            (60_000, "1m"),
            (125_000, "2m 5s"),
            (11_040_000, "3h 4m"),
            (176_400_000, "2d 1h"),
        ] {
            assert_eq!(human(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(human_seconds(f64::NAN), "?");
    }

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\n"), r"a\u{1b}[2Jb\n");
        assert_eq!(printable("größer"), "größer");
    }

    #[test]
    fn a_command_line_can_be_pasted_into_a_shell() {
        let argv = ["sh", "-c", "echo 'hi'", "--port={port}", ""].map(str::to_owned);
        assert_eq!(command_line(&argv), r"sh -c 'echo '\''hi'\''' --port={port} ''");
    }
}
