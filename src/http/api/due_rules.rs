//! By which rules visits are due, over HTTP.

use std::collections::BTreeSet;

use axum::{
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use chrono::{NaiveDate, NaiveTime};
use serde::{Deserialize, Serialize};

use super::{Act, Reply, views::PersonView};
use crate::{
    app::{access::Actor, due as cases},
    domain::{
        calendar::{Nation, day_of},
        due::{DIGEST_AT, Settings},
        people::Directory,
    },
    http::{
        Site,
        body::{Body, parse},
        problem::Problem,
    },
    store::{Tx, due::RulesVersion, people},
};

/// The rules in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct DueRulesView {
    /// 1, 2, 3 … of this organisation.
    version: i32,
    /// The file, as it was set.
    rules: String,
    /// Whose bank holidays are kept.
    nation: Nation,
    /// The days on which the office is closed.
    closures: BTreeSet<NaiveDate>,
    /// Other bank holidays than those that Homeward comes with: the file.
    bank_holidays: Option<String>,
    /// When digests go on working days.
    #[schema(value_type = String)]
    digest_at: NaiveTime,
    /// Who set it; nobody: the organisation's file.
    set_by: Option<PersonView>,
    /// On which day.
    set_on: NaiveDate,
}

impl DueRulesView {
    fn new(directory: &Directory, version: &RulesVersion) -> Self {
        let Settings { rules, nation, closures, bank_holidays, digest_at } = version.settings.clone();
        let set_by = version.set_by.map(|person| PersonView::of(directory, person));
        let set_on = day_of(version.set_at, directory.zone);
        Self { version: version.version, rules, nation, closures, bank_holidays, digest_at, set_by, set_on }
    }
}

/// Shows the rules in force.
#[utoipa::path(get, path = "/due/rules", responses((status = 200, body = DueRulesView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn show(State(site): State<Site>, actor: Actor) -> Result<Response, Problem> {
    let mut tx = site.db.read().await?;
    let version = cases::see_rules(&mut tx, &actor).await??;
    let directory = people::directory(&mut tx, actor.organisation).await?;
    Ok(Reply::ok(&DueRulesView::new(&directory, &version)).into_response())
}

/// Rules to be put in force.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DueRulesBody {
    /// A name (probation, looked-after-children), or a whole file like config/due/probation.toml.
    rules: String,
    /// Whose bank holidays are kept; left out: those of England and Wales.
    #[serde(default)]
    nation: Nation,
    /// The days on which the office is closed.
    #[serde(default)]
    closures: BTreeSet<NaiveDate>,
    /// Other bank holidays than those that Homeward comes with: a whole file like config/bank-holidays.toml.
    bank_holidays: Option<String>,
    /// When digests go on working days, as 08:00.
    digest_at: Option<String>,
}

/// Puts rules in force for the whole organisation. What cannot be read is refused with its line, and the old ones stay in force. What the
/// organisation's file says comes in force again when the file is applied again.
#[utoipa::path(put, path = "/due/rules", request_body = DueRulesBody, responses((status = 200, body = DueRulesView),
    (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn set(
    State(site): State<Site>,
    actor: Actor,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let DueRulesBody { rules, nation, closures, bank_holidays, digest_at } = parse(&body)?;
    let digest_at = match digest_at.as_deref() {
        None => DIGEST_AT,
        Some(at) => NaiveTime::parse_from_str(at, "%H:%M")
            .map_err(|_| Problem::field("digest_at", "say it as 08:00"))?,
    };
    let rules = Settings::meant(&rules);
    let settings = Settings { rules, nation, closures, bank_holidays, digest_at };
    let case = async move |tx: &mut Tx, actor: &Actor, trace| {
        Ok(match cases::set_rules(tx, actor, settings.clone(), trace).await? {
            Ok(version) => {
                let directory = people::directory(tx, actor.organisation).await?;
                Reply::ok(&DueRulesView::new(&directory, &version))
            }
            Err(rejected) => rejected.into(),
        })
    };
    Ok(Act::new(site, actor, "PUT /due/rules", &headers, body).run(case).await)
}
