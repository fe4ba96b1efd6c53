//! What a page says of being renewed: without a script it says nothing, and is loaded anew by hand.

use maud::{Markup, html};

/// A part of a page that the script renews when a hold changes. People who read by ear are told of changes in it.
pub(super) fn renewed(body: &Markup) -> Markup {
    html! { div id="live" aria-live="polite" { (body) } }
}
