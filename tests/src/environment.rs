//! The shell assignments of `countersignctl dev env`, as a map.

use anyhow::Context as _;
use std::collections::BTreeMap;

/// What `dev env` said.
#[derive(Debug, Clone)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// Reads assignments as a shell would: `NAME=value`, with `export` or not, quoted by `'` or not.
    pub fn parse(text: &str) -> Self {
        let values = text
            .lines()
            .filter_map(|line| {
                let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
                let (name, value) = line.split_once('=')?;
                name.starts_with("CS_").then(|| (name.to_owned(), unquote(value.trim())))
            })
            .collect();
        Self { values }
    }

    /// The value of a name that must be there.
    pub fn get(&self, name: &str) -> anyhow::Result<&str> {
        self.values
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("`dev env` does not say {name}"))
    }

    /// The value of a name that is there for each node.
    pub fn of_node(&self, name: &str, node: usize) -> anyhow::Result<&str> {
        self.get(&format!("{name}_{node}"))
    }
}

fn unquote(value: &str) -> String {
    match value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace("'\\''", "'"),
        None => value.trim_matches('"').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_as_a_shell_reads_them() {
        let read = Environment::parse(
            "# note\nexport CS_A='it'\\''s'\nCS_PG_1=127.0.0.1:5\nCS_B=\"x y\"\nPATH=/bin\n",
        );
        assert_eq!(read.get("CS_A").unwrap(), "it's");
        assert_eq!(read.of_node("CS_PG", 1).unwrap(), "127.0.0.1:5");
        assert_eq!(read.get("CS_B").unwrap(), "x y");
        assert!(read.get("PATH").is_err());
    }
}
