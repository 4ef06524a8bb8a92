//! The JSON of the doctor.

use serde::Serialize;
use utoipa::ToSchema;

use crate::service::doctor;
use crate::service::doctor::Finding;

/// What was found.
#[derive(Serialize, ToSchema)]
pub(super) struct DoctorBody {
    /// The worst of all checks: `fine`, `unknown`, `warning` or `fault`.
    verdict: &'static str,
    checks: Vec<CheckRow>,
}

/// One look at one thing.
#[derive(Serialize, ToSchema)]
struct CheckRow {
    /// What was looked at, such as `root`; several checks may have one name.
    name: &'static str,
    /// `fine`, `unknown` (it cannot be told from here), `warning` or `fault`.
    verdict: &'static str,
    /// What is.
    sentence: String,
    /// What to do about it; null when there is nothing to do.
    mend: Option<String>,
}

impl DoctorBody {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let row = |finding: &Finding| CheckRow {
            name: finding.name,
            verdict: finding.verdict.name(),
            sentence: finding.sentence.clone(),
            mend: finding.mend.clone(),
        };
        let verdict = doctor::worst(findings).name();
        Self { verdict, checks: findings.iter().map(row).collect() }
    }
}
