//! A campaign of ten minutes in two starts, for the tests of the pages.

/// Its `status.jsonl`.
pub(crate) const CAMPAIGN: &str = include_str!("../../tests/status/campaign.jsonl");
