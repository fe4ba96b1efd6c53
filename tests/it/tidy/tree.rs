//! Reads the files of the working tree. Build output, version control and anything else that starts with a dot, save the
//! two folders of ours that do, are not part of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file of the tree.
pub(super) struct Source {
    /// Relative to the top, with `/` between its parts.
    pub path: String,
    pub text: String,
}

impl Source {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(super) fn has_ending(&self, ending: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == ending)
    }

    /// Whether the file is compiled only for tests.
    pub(super) fn is_test_code(&self) -> bool {
        self.name() == "tests.rs"
            || self.path.contains("/tests/")
            || self.path.starts_with("tests/it/")
    }

    /// The text without a test module written in the file itself.
    pub(super) fn production_text(&self) -> &str {
        match self.text.find("#[cfg(test)]\nmod ") {
            Some(start) if !self.text[start..].lines().nth(1).is_some_and(|l| l.ends_with(';')) => {
                &self.text[..start]
            }
            Some(_) | None => &self.text,
        }
    }
}

/// The top of the tree.
pub(super) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every text file of the tree, in the order of its path.
pub(super) fn every_file() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&top(), &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.len() > 50, "the walk found only {} files", files.len());
    files
}

/// Every Rust file of the tree.
pub(super) fn rust_files() -> Vec<Source> {
    every_file().into_iter().filter(|file| file.has_ending("rs")).collect()
}

fn collect(folder: &Path, files: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let ours = !name.starts_with('.') || name == ".ci" || name == ".config";
        if path.is_dir() {
            if ours && name != "target" && name != "__pycache__" {
                collect(&path, files);
            }
        } else if ours && let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(top()).unwrap().to_string_lossy().replace('\\', "/");
            files.push(Source { path, text });
        }
    }
}
