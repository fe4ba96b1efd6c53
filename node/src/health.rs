//! `/livez` and `/readyz`.
