//! Resource documents in files: YAML (several to a file) or JSON, which is YAML too. What a body must hold is not checked
//! here but where it is applied.

use crate::{failure::Failure, files};
use anyhow::Context as _;
use countersign_api::resource::ResourceDocument;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned, UserMessageFormatter};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Files that one command takes.
const MAX_FILES: usize = 1000;

/// A document, and where it was found as `FILE:LINE`.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) place: String,
    pub(crate) document: ResourceDocument,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    kind: Spanned<String>,
    name: String,
    spec: Value,
    #[serde(default)]
    revision: Option<u64>,
}

/// The documents of files and directories; a resource that is in two places is an error.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let mut found = Vec::new();
    for file in expand(paths, &["yaml", "yml", "json"])? {
        let text = files::read_text(&file)?;
        found.extend(parse(&file, &text)?);
    }
    let mut places: BTreeMap<(String, String), &str> = BTreeMap::new();
    for Found { place, document } in &found {
        let key = (document.kind.to_lowercase(), document.name.clone());
        if let Some(first) = places.insert(key, place) {
            let message =
                format!("{place}: {} {} is in {first} already", document.kind, document.name);
            return Err(Failure::usage(message));
        }
    }
    Ok(found)
}

fn parse(file: &Path, text: &str) -> Result<Vec<Found>, Failure> {
    let raw: Vec<Raw> = serde_saphyr::from_multiple_with_options(text, strict())
        .map_err(|error| problem(file, &error))?;
    let found = raw.into_iter().map(|Raw { kind, name, spec, revision }| Found {
        place: format!("{}:{}", shown(file), kind.referenced.line()),
        document: ResourceDocument { kind: kind.value, name, spec, revision },
    });
    Ok(found.collect())
}

/// Duplicate keys are refused and `yes` and `no` are texts: what is read is what is written.
pub(crate) fn strict() -> Options {
    let mut options = Options::default();
    options.duplicate_keys = DuplicateKeyPolicy::Error;
    options.strict_booleans = true;
    options.with_snippet = false;
    options
}

/// What is wrong with a file, as `FILE:LINE:COLUMN: message`.
pub(crate) fn problem(file: &Path, error: &serde_saphyr::Error) -> Failure {
    let error = error.without_snippet();
    let place = match error.location() {
        Some(at) => format!("{}:{}:{}", shown(file), at.line(), at.column()),
        None => shown(file),
    };
    let message = error.render_with_formatter(&UserMessageFormatter);
    // The message names the place once more, in its own words.
    let message = message.split(" at line ").next().unwrap_or(&message);
    Failure::usage(format!("{place}: {message}"))
}

/// The name of a file in messages.
pub(crate) fn shown(file: &Path) -> String {
    if file.as_os_str() == "-" { "stdin".to_owned() } else { file.display().to_string() }
}

/// The files of `paths`; of a directory those that end in one of `endings`, ordered by name.
pub(crate) fn expand(paths: &[PathBuf], endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() != "-" && path.is_dir() {
            files.extend(of_directory(path, endings)?);
        } else {
            files.push(path.clone());
        }
    }
    if files.len() > MAX_FILES {
        return Err(Failure::usage(format!("more than {MAX_FILES} files")));
    }
    Ok(files)
}

fn of_directory(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| format!("cannot read {}", path.display()))?.path();
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if file.is_file() && endings.contains(&ending) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Failure::usage(format!(
            "there is no *.{} in {}",
            endings.join(", *."),
            path.display()
        )));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Found>, String> {
        parse(Path::new("f.yaml"), text).map_err(|failure| failure.to_string())
    }

    #[test]
    fn several_documents_of_one_file_are_found_with_their_lines() {
        let found = parsed(
            "kind: A\nname: x\nspec: {n: 1}\n---\n# second\nkind: B\nname: no\nspec: {on: yes}\n",
        )
        .unwrap();
        assert_eq!(
            found.iter().map(|one| one.place.as_str()).collect::<Vec<_>>(),
            ["f.yaml:1", "f.yaml:6"]
        );
        assert_eq!(found[1].document.name, "no");
        assert_eq!(found[1].document.spec, serde_json::json!({"on": "yes"}));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_place() {
        let error = parsed("kind: A\nname: x\nspec:\n  a: 1\n  a: 2\n").unwrap_err();
        assert!(error.starts_with("f.yaml:5:"), "{error}");
        let error = parsed("{\"kind\": \"A\", \"kind\": \"B\", \"name\": \"x\", \"spec\": {}}")
            .unwrap_err();
        assert!(error.starts_with("f.yaml:1:"), "{error}");
    }

    #[test]
    fn an_unknown_field_of_the_document_is_refused_with_its_place() {
        let error = parsed("kind: A\nname: x\nspek: {}\n").unwrap_err();
        assert!(error.starts_with("f.yaml:3:"), "{error}");
        assert!(error.contains("spek"), "{error}");
    }

    #[test]
    fn a_file_that_grows_without_bound_by_aliases_is_refused() {
        let mut text = "kind: A\nname: x\nspec:\n  a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for n in 1..12 {
            let list = vec![format!("*a{}", n - 1); 10].join(",");
            text = format!(
                "{text}  a{n}: &a{n} [{list}]
"
            );
        }
        assert!(parsed(&text).is_err());
    }
}
