//! How large policies and judgements may become. What is too large is refused before anything is parsed, because a text that is
//! nested without bound would be read without bound; and a judgement that would take too long denies. Work is counted,
//! not timed, so that the answer is the same on every node.

/// Bytes of all policy texts together.
pub const MAX_POLICY_BYTES: usize = 1024 * 1024;
/// Bytes of one rule.
pub const MAX_RULE_BYTES: usize = 32 * 1024;
/// How deep brackets, signs and `if` may be nested in a rule.
pub const MAX_NESTING: usize = 32;
/// Operators that may be chained in a rule (`a && b && c`): each is a level of what is evaluated.
pub const MAX_OPERATORS: usize = 256;
/// Work of one judgement; what would take more is denied (`examples/policy_speed.rs` measures what that is).
pub const MAX_WORK: u64 = 100_000;

/// What putting a demand to the rules costs beside them.
pub(super) const WORK_OF_DEMAND: u64 = 8;
/// What a rule costs, however short it is: a satisfied one has to be named.
const WORK_OF_RULE: u64 = 4;
/// Bytes of a rule that cost one more.
const BYTES_OF_WORK: u64 = 64;
/// Comparisons of a pattern with a text that cost as much.
const COMPARISONS_OF_WORK: u64 = 1024;

/// What is too large in a text, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// In bytes from the beginning.
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// What rules cost to evaluate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    work: u64,
    /// Bytes of the patterns of `like`.
    patterns: u64,
}

impl Weight {
    /// The weight of one rule.
    pub(super) fn of(rule: &str) -> Self {
        let mut patterns = 0;
        let mut before = "";
        for (_, word) in Words::of(rule) {
            if before == "like" && word.starts_with('"') {
                patterns += word.len() as u64;
            }
            before = word;
        }
        Self { work: WORK_OF_RULE + rule.len() as u64 / BYTES_OF_WORK, patterns }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.work = self.work.saturating_add(other.work);
        self.patterns = self.patterns.saturating_add(other.patterns);
    }

    /// The work of evaluating them where the longest text that a pattern can be compared with has so many bytes.
    pub(super) fn work(self, longest: u64) -> u64 {
        self.work.saturating_add(self.patterns.saturating_mul(longest) / COMPARISONS_OF_WORK)
    }
}

/// Checks one text. Says where its rules begin, in bytes and in order.
pub(super) fn check(text: &str) -> Result<Vec<usize>, TooLarge> {
    let mut begins = Vec::new();
    let mut rule = Rule::default();
    for (offset, word) in Words::of(text) {
        if rule.begins.is_none() {
            begins.push(offset);
        }
        rule.take(offset, word)?;
    }
    Ok(begins)
}

/// The rule that is being read.
#[derive(Debug, Default)]
struct Rule {
    begins: Option<usize>,
    brackets: usize,
    /// Signs (`!`, `-`) right before each other, and each `if`.
    stacked: usize,
    operators: usize,
    /// The last character of the word before.
    before: Option<char>,
}

impl Rule {
    /// Whether a bracket applies what is before it (`context["role"]`, a call of what was called) instead of grouping.
    fn is_applied(&self, bracket: &str) -> bool {
        let is_operand = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '}');
        match (bracket, self.before) {
            ("[" | "(", Some(')' | ']')) => true,
            ("[", Some(before)) => is_operand(before),
            _other => false,
        }
    }

    fn take(&mut self, offset: usize, word: &str) -> Result<(), TooLarge> {
        let begins = *self.begins.get_or_insert(offset);
        match word {
            "(" | "[" | "{" => {
                self.brackets += 1;
                self.operators += usize::from(self.is_applied(word));
            }
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            "!" | "-" | "if" => self.stacked += 1,
            "." | "&" | "|" | "+" | "*" | "/" | "%" | "<" | ">" | "=" | "has" | "like" | "in"
            | "is" | "when" | "unless" => self.operators += 1,
            ";" if self.brackets == 0 => {
                *self = Self::default();
                return Ok(());
            }
            _other => {}
        }
        self.before = word.chars().next_back();
        let too = |offset, message, help| Err(TooLarge { offset, message, help });
        if offset + word.len() - begins > MAX_RULE_BYTES {
            let message = format!("the rule is longer than {MAX_RULE_BYTES} bytes");
            return too(begins, message, "split it into several rules");
        }
        if self.brackets + self.stacked > MAX_NESTING {
            let message = format!("the rule is nested more than {MAX_NESTING} deep");
            return too(
                offset,
                message,
                "split it into several rules, or name the inner parts by groups",
            );
        }
        if self.operators > MAX_OPERATORS {
            let message = format!("the rule has more than {MAX_OPERATORS} operators");
            return too(
                offset,
                message,
                "split it into several rules, or use a set: context.tables.containsAny([...])",
            );
        }
        Ok(())
    }
}

/// The words of a Cedar text with their places: names and numbers, strings, and everything else by one character.
/// Comments and white space are left out. What is a word here must be one to Cedar: what it reads and this does not see has
/// no limit.
struct Words<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Words<'t> {
    fn of(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// How long the word at the beginning of `rest` is.
    fn length(rest: &str) -> usize {
        let mut chars = rest.char_indices();
        let Some((_, first)) = chars.next() else { return 0 };
        if first == '"' {
            let mut is_escaped = false;
            for (at, c) in chars {
                match c {
                    _any if is_escaped => is_escaped = false,
                    '\\' => is_escaped = true,
                    '"' => return at + 1,
                    _other => {}
                }
            }
            return rest.len();
        }
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let end = if first.is_ascii_digit() {
            // Cedar reads `1in` as a number and a word.
            rest.find(|c: char| !c.is_ascii_digit())
        } else if is_of_name(first) {
            rest.find(|c: char| !is_of_name(c))
        } else {
            Some(first.len_utf8())
        };
        end.unwrap_or(rest.len())
    }
}

impl<'t> Iterator for Words<'t> {
    type Item = (usize, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.text.get(self.at..)?;
            let blank = rest.len() - rest.trim_start().len();
            let rest = rest.get(blank..)?;
            self.at += blank;
            if rest.is_empty() {
                return None;
            }
            if rest.starts_with("//") {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
                continue;
            }
            let (at, length) = (self.at, Self::length(rest));
            self.at += length;
            return Some((at, rest.get(..length)?));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cedar_policy::PolicySet;
    use proptest::prelude::*;
    use std::str::FromStr;

    /// Texts of these, in any order.
    fn any_of(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(parts), 0..5).prop_map(|parts| parts.concat())
    }

    fn gap() -> impl Strategy<Value = String> {
        any_of(&[
            " ",
            "//",
            "//",
            "\r",
            "\n",
            "\u{b}",
            "\u{85}",
            "\u{a0}",
            "\u{2028}",
            "\u{200b}",
            "\u{feff}",
            "\"",
            "é",
            "x",
            ";",
            "unless { 1 in 2 }",
            "when { 1in 2 }",
        ])
    }

    fn string() -> impl Strategy<Value = String> {
        any_of(&[
            "a", "é", "//", "\r", "\n", "(", ";", "\\\"", "\\\\", "\\n", "\\0", "\\u{41}", "\\x41",
            "\\*",
        ])
    }

    /// The words alone, with a space where something was left out.
    fn words(text: &str) -> String {
        let (mut words, mut end) = (String::new(), 0);
        for (at, word) in Words::of(text) {
            if at > end {
                words.push(' ');
            }
            words.push_str(word);
            end = at + word.len();
        }
        words
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn what_cedar_reads_is_in_the_words(
            (noted, quoted) in (string(), string()),
            (first, second, third) in (gap(), gap(), gap()),
        ) {
            let text = format!(
                "@note(\"{noted}\"){first}permit(principal, action, resource){second}when {{ [\"{quoted}\"{third}] == Set::\"{quoted}\" || \"a\" like \"{quoted}\" }};"
            );
            if let Ok(read) = PolicySet::from_str(&text) {
                let alone = PolicySet::from_str(&words(&text)).unwrap();
                prop_assert_eq!(check(&text).unwrap().len(), read.num_of_policies());
                prop_assert_eq!(alone.to_json().unwrap(), read.to_json().unwrap());
            }
        }
    }

    #[test]
    fn strings_and_comments_nest_nothing() {
        let text = format!(
            "// {}\npermit(principal, action, resource) when {{ context.role == \"{}\\\"\" }};",
            "(".repeat(99),
            "[".repeat(99)
        );
        assert_eq!(check(&text).map(|begins| begins.len()), Ok(1));
    }

    #[test]
    fn a_comment_ends_where_cedar_ends_it() {
        for end in ["\n", "\r", "\r\n"] {
            let brackets = "(".repeat(MAX_NESTING + 1);
            let text = format!(
                "permit(principal, action, resource) when {{ //{end}{brackets}true{} }};",
                ")".repeat(MAX_NESTING + 1)
            );
            assert!(check(&text).is_err(), "{end:?}");
        }
    }

    #[test]
    fn whatever_makes_a_level_is_an_operator() {
        let plain = |text: String| format!("permit(principal, action, resource) {text};");
        let when = |text: String| plain(format!("when {{ {text} }}"));
        let n = MAX_OPERATORS;
        for text in [
            when(format!("context{} == 1", "[\"a\"]".repeat(n))),
            when(format!("{{a: 1}}{} == 1", "[\"a\"]".repeat(n))),
            when(format!("(context){} == 1", " // \r [\"a\"]".repeat(n))),
            when(format!("context.a(){}", "()".repeat(n))),
            when(vec!["1in"; n + 1].join(" ") + " 1"),
            when(vec!["1"; n + 1].join("/")),
            when(vec!["1"; n + 1].join("%")),
            plain("when{true}".repeat(n + 1)),
            plain("unless{false}".repeat(n + 1)),
        ] {
            assert!(check(&text).is_err_and(|found| found.message.contains("operators")), "{text}");
        }
        // Sets that stand by themselves are none.
        assert!(check(&when(format!("[{}] == []", "[], ".repeat(n)))).is_ok());
    }

    #[test]
    fn what_is_too_deep_is_found_where_it_is_too_deep() {
        let text = format!(
            "permit(principal, action, resource) when {{ {}true{} }};",
            "(".repeat(40),
            ")".repeat(40)
        );
        let found = check(&text).unwrap_err();
        assert_eq!(found.offset, text.find("((").unwrap() + MAX_NESTING - 1);
    }

    #[test]
    fn patterns_weigh_by_their_length() {
        let plain = Weight::of("permit(principal, action, resource);");
        let with =
            Weight::of("permit(principal, action, resource) when { context.role like \"*a*\" };");
        assert_eq!((plain.patterns, with.patterns), (0, 5));
        assert!(with.work(100_000) > plain.work(100_000));
    }
}
