//! The JSON of `cove doctor`: as the server sends it, whoever looked.

use serde::Deserialize;
use serde::Serialize;

use crate::service::doctor;
use crate::service::doctor::Finding;

/// What was found.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Report {
    /// The worst of all checks.
    pub(super) verdict: String,
    pub(super) checks: Vec<CheckLine>,
}

/// One look at one thing.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct CheckLine {
    pub(super) name: String,
    pub(super) verdict: String,
    pub(super) sentence: String,
    pub(super) mend: Option<String>,
}

impl Report {
    /// Of what was found here.
    pub(super) fn of(findings: &[Finding]) -> Self {
        let line = |finding: &Finding| CheckLine {
            name: finding.name.to_owned(),
            verdict: finding.verdict.name().to_owned(),
            sentence: finding.sentence.clone(),
            mend: finding.mend.clone(),
        };
        let verdict = doctor::worst(findings).name().to_owned();
        Self { verdict, checks: findings.iter().map(line).collect() }
    }

    /// As the server would send it.
    pub(super) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}
