//! Resource documents in files: YAML (several to a file) or JSON, which is YAML too. What a body must hold is not checked
//! here but where it is applied.

use crate::{failure::Failure, files};
use anyhow::Context as _;
use countersign_api::{
    policy::PolicyCase,
    resource::{PolicySpec, ResourceDocument},
};
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned, UserMessageFormatter};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Files that one command takes.
const MAX_FILES: usize = 5000;
/// How deep directories may lie in each other.
const MAX_DEPTH: usize = 16;
/// What the files of a directory end in that are read.
pub(crate) const ENDINGS: [&str; 4] = ["cedar", "yaml", "yml", "json"];
/// What a file of test cases ends in, behind the name of the policy.
const CASES_ENDING: &str = "tests.yaml";

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
    for file in expand(paths, &ENDINGS)? {
        let text = files::read_text(&file)?;
        if is_cedar(&file) {
            found.push(policy(&file, &text)?);
        } else {
            found.extend(parse(&file, &text)?);
        }
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

/// Whether a file is one policy, written in Cedar.
pub(crate) fn is_cedar(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == "cedar")
}

/// The name of the policy of a Cedar file.
pub(crate) fn name_of(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The test cases of a Cedar file: those of `NAME.tests.yaml` beside `NAME.cedar`.
pub(crate) fn cases_beside(file: &Path) -> Result<Vec<PolicyCase>, Failure> {
    let beside = file.with_extension(CASES_ENDING);
    if !beside.is_file() {
        return Ok(Vec::new());
    }
    let text = files::read_text(&beside)?;
    serde_saphyr::from_str_with_options(&text, strict()).map_err(|error| problem(&beside, &error))
}

/// The policy of a Cedar file.
fn policy(file: &Path, text: &str) -> Result<Found, Failure> {
    let spec = PolicySpec { cedar: text.to_owned(), tests: cases_beside(file)? };
    let spec = serde_json::to_value(&spec).context("a policy cannot be written as a document")?;
    let (kind, name) = ("Policy".to_owned(), name_of(file));
    let document = ResourceDocument { kind, name, spec, revision: None };
    Ok(Found { place: shown(file), document })
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

/// The files below a directory, such as a checkout. What begins with a dot is not looked at, and links are not followed.
fn of_directory(path: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    gather(path, (endings, MAX_DEPTH), &mut files)?;
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

fn gather(
    path: &Path,
    (endings, depth): (&[&str], usize),
    files: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let unread = || format!("cannot read {}", path.display());
    for entry in fs::read_dir(path).with_context(unread)? {
        let entry = entry.with_context(unread)?;
        let (file, kind) = (entry.path(), entry.file_type().with_context(unread)?);
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let ending = file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if kind.is_dir() && depth > 0 {
            gather(&file, (endings, depth - 1), files)?;
        } else if file.is_file()
            && endings.contains(&ending)
            && !name.ends_with(&format!(".{CASES_ENDING}"))
        {
            files.push(file);
        }
        if files.len() > MAX_FILES {
            return Err(Failure::usage(format!("more than {MAX_FILES} files")));
        }
    }
    Ok(())
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
