//! How texts, times and spans are shown to people. What an agent had a hand in is made visible first: nothing in it moves,
//! hides or imitates anything.

use countersign_api::{time::Timestamp, visible::visible};
use maud::{Markup, html};

/// A text on one line.
pub(super) fn shown(text: &str) -> String {
    visible(text)
}

/// A moment, exact and in words.
pub(super) fn moment(at: Timestamp, now_ms: u64) -> Markup {
    let exact = at.to_string();
    html! { time datetime=(exact) title=(exact) { (relative(at.0, now_ms)) } }
}

fn relative(at_ms: u64, now_ms: u64) -> String {
    if at_ms > now_ms {
        format!("in {}", span(at_ms - now_ms))
    } else {
        format!("{} ago", span(now_ms - at_ms))
    }
}

/// A span, as coarse as it is long.
pub(super) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_as_coarse_as_they_are_long() {
        let spans = [0, 59_999, 60_000, 7_199_000, 7_200_000, 172_799_000, 172_800_000];
        assert_eq!(spans.map(span), ["0 s", "59 s", "1 min", "119 min", "2 h", "47 h", "2 days"]);
    }

    #[test]
    fn moments_say_on_which_side_of_now_they_are() {
        assert_eq!(relative(61_000, 1_000), "in 1 min");
        assert_eq!(relative(1_000, 61_000), "1 min ago");
        assert_eq!(relative(1_000, 1_000), "0 s ago");
    }
}
