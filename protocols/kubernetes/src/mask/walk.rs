//! One document, every value of it looked at.

use super::{SECRETS_RULE, Whose};
use crate::body::{LAST_APPLIED, REDACTED, REDACTED_BASE64};
use countersign_core::mask::{ColumnMask, MaskError, MaskPlace, MaskPlan, MaskTally, Shown};
use serde_json::{Map, Value};

/// Documents within documents (`last-applied-configuration`, a manifest in a text) that are looked into.
const MAX_NESTED: usize = 3;

/// The masking of one document.
pub(super) struct Walk {
    /// What detectors find in texts.
    texts: ColumnMask,
    /// Values of Secrets that were masked, and applied configurations that were.
    values: u64,
    kept: u64,
    annotations: u64,
    nested: usize,
}

impl Walk {
    pub(super) fn new(plan: &MaskPlan) -> Self {
        Self { texts: plan.text(MaskPlace::Message), values: 0, kept: 0, annotations: 0, nested: 0 }
    }

    /// The document with what is covered replaced. It is written anew, so that nothing stands in it that was not looked at: a
    /// key that stood twice, or white space.
    pub(super) fn document(&mut self, bytes: &[u8], whose: Whose) -> Result<Vec<u8>, MaskError> {
        let mut value = serde_json::from_slice(bytes).map_err(|_| MaskError::Unreadable)?;
        self.value(&mut value, whose)?;
        serde_json::to_vec(&value).map_err(|_| MaskError::Unreadable)
    }

    /// Hands over what was counted.
    pub(super) fn add_to(mut self, tally: &mut MaskTally) {
        tally.add(SECRETS_RULE, "data", self.values);
        tally.add(SECRETS_RULE, "last-applied-configuration", self.kept);
        tally.add(SECRETS_RULE, "annotations", self.annotations);
        self.texts.add_to(tally);
    }

    fn value(&mut self, value: &mut Value, whose: Whose) -> Result<(), MaskError> {
        match value {
            Value::Null | Value::Bool(_) => Ok(()),
            Value::Number(number) => {
                if let Some(shown) = self.text(&number.to_string())? {
                    *value = shown;
                }
                Ok(())
            }
            Value::String(text) if may_keep_secret(text) => self.kept(value, whose),
            Value::String(text) => {
                if let Some(shown) = self.text(text)? {
                    *value = shown;
                }
                Ok(())
            }
            Value::Array(elements) => {
                elements.iter_mut().try_for_each(|element| self.value(element, whose))
            }
            Value::Object(members) => {
                let whose = if is_secret(members) { Whose::Secrets } else { whose };
                let taken = std::mem::take(members);
                for (key, mut value) in taken {
                    if whose == Whose::Secrets && key == "managedFields" {
                        continue;
                    }
                    self.member(&key, &mut value, whose)?;
                    members.insert(self.key(key)?, value);
                }
                Ok(())
            }
        }
    }

    fn member(&mut self, key: &str, value: &mut Value, whose: Whose) -> Result<(), MaskError> {
        match (whose, key) {
            (Whose::Secrets, "data") => self.cover(value, REDACTED_BASE64),
            (Whose::Secrets, "stringData") => self.cover(value, REDACTED),
            (Whose::Secrets, "annotations") => self.annotations(value),
            (_, LAST_APPLIED) => self.kept(value, whose),
            (Whose::Secrets | Whose::Others, _) => self.value(value, whose),
        }
    }

    /// The annotations of a Secret. Tools keep copies of it in them in forms of their own, compressed ones among them.
    fn annotations(&mut self, value: &mut Value) -> Result<(), MaskError> {
        let Value::Object(members) = value else {
            return self.value(value, Whose::Secrets);
        };
        for (key, mut value) in std::mem::take(members) {
            if key == LAST_APPLIED {
                self.kept(&mut value, Whose::Secrets)?;
            } else {
                value = REDACTED.into();
                self.annotations = self.annotations.saturating_add(1);
            }
            members.insert(self.key(key)?, value);
        }
        Ok(())
    }

    /// Replaces the values of a Secret, and tells how they are called.
    fn cover(&mut self, value: &mut Value, shown: &str) -> Result<(), MaskError> {
        match value {
            Value::Null => {}
            Value::Object(members) => {
                for (key, value) in std::mem::take(members) {
                    let covered = if value.is_null() {
                        value
                    } else {
                        self.values = self.values.saturating_add(1);
                        shown.into()
                    };
                    members.insert(self.key(key)?, covered);
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                *value = shown.into();
                self.values = self.values.saturating_add(1);
            }
        }
        Ok(())
    }

    /// What was applied last, or a manifest that is kept in a text. Where it cannot be read, nothing of it is shown.
    fn kept(&mut self, value: &mut Value, whose: Whose) -> Result<(), MaskError> {
        let Value::String(text) = value else {
            return self.value(value, whose);
        };
        let before = self.values;
        self.nested += 1;
        let read = if self.nested > MAX_NESTED {
            Err(MaskError::Unreadable)
        } else {
            self.document(text.as_bytes(), whose)
        };
        self.nested -= 1;
        let shown = read.ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if shown.is_none() || self.values > before {
            self.kept = self.kept.saturating_add(1);
        }
        *value = shown.unwrap_or_else(|| REDACTED.to_owned()).into();
        Ok(())
    }

    /// What is to be shown for a text; `None` for itself.
    fn text(&mut self, text: &str) -> Result<Option<Value>, MaskError> {
        Ok(match self.texts.mask(text)? {
            Shown::Same(_) => None,
            Shown::Changed(changed) => Some(changed.into()),
            Shown::Null => Some(Value::Null),
        })
    }

    fn key(&mut self, key: String) -> Result<String, MaskError> {
        Ok(match self.texts.mask(&key)? {
            Shown::Same(_) => key,
            Shown::Changed(changed) => changed,
            Shown::Null => REDACTED.to_owned(),
        })
    }
}

/// Whether a text looks like a document with a Secret in it. One that is written otherwise (YAML) is a text like any other.
fn may_keep_secret(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && text.contains("\"Secret")
}

/// Whether an object is a Secret, or a list of them, in which the elements do not say so.
fn is_secret(members: &Map<String, Value>) -> bool {
    let says = |key: &str| members.get(key).and_then(Value::as_str);
    says("apiVersion") == Some("v1") && matches!(says("kind"), Some("Secret" | "SecretList"))
}
