//! Ladders: versioned; an old version stays for the incidents that it is in force for (row E1).

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use sqlx::{FromRow, types::Json};

use super::{Error, Result, Tx, both, execute, readable};
use crate::{
    clock::Time,
    domain::{
        ids::{LadderId, OrganisationId, PersonId, TeamId},
        ladder::Ladder,
        people::Directory,
        visit::Risk,
    },
};

const CURRENT: &str = "SELECT id, team_id, risk, version, body, set_by, created_at FROM ladder l WHERE organisation_id = $1
       AND version = (SELECT max(version) FROM ladder m WHERE m.organisation_id = l.organisation_id
                      AND m.risk = l.risk AND (m.team_id = l.team_id OR (m.team_id IS NULL AND l.team_id IS NULL)))";
const BY_ID: &str = "SELECT id, team_id, risk, version, body, set_by, created_at FROM ladder WHERE id = $1 AND organisation_id = $2";
const ADD: &str = "INSERT INTO ladder (id, organisation_id, team_id, risk, version, body, set_by, created_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

/// One version of a ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id: what an incident is stamped with.
    pub id: LadderId,
    /// Whose; `None`: of every team without its own.
    pub team: Option<TeamId>,
    /// For visits of that risk.
    pub risk: Risk,
    /// 1, 2, 3 …
    pub version: i32,
    /// The ladder.
    pub ladder: Ladder,
    /// Who set it; nobody: the organisation's file.
    pub set_by: Option<PersonId>,
    /// When.
    pub set_at: Time,
}

/// A ladder as it is kept: one that a newer version wrote must keep no alarm from anybody. It goes by the usual one.
#[derive(Debug)]
struct KeptLadder(Ladder);

impl<'de> Deserialize<'de> for KeptLadder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Ok(Self(serde_json::from_value(Value::deserialize(deserializer)?).unwrap_or_else(|error| {
            tracing::error!(%error, "a ladder cannot be read; the usual one stands in for it");
            Ladder::default()
        })))
    }
}

#[derive(FromRow)]
struct Row {
    id: LadderId,
    team_id: Option<TeamId>,
    risk: Risk,
    version: i32,
    body: Json<KeptLadder>,
    set_by: Option<PersonId>,
    created_at: Time,
}

impl From<Row> for Version {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            team: row.team_id,
            risk: row.risk,
            version: row.version,
            ladder: row.body.0.0,
            set_by: row.set_by,
            set_at: row.created_at,
        }
    }
}

/// The newest version of each ladder of an organisation.
pub async fn current(tx: &mut Tx, organisation: OrganisationId) -> Result<Vec<Version>> {
    let rows = both!(tx, |c| readable!(sqlx::query(CURRENT).bind(organisation).fetch_all(c).await?, Row));
    Ok(rows.into_iter().map(Version::from).collect())
}

/// Of those, the one in force for a team and a risk: the team's own, that of the nearest team above, the organisation's.
pub fn in_force<'v>(
    current: &'v [Version],
    directory: &Directory,
    team: TeamId,
    risk: Risk,
) -> Option<&'v Version> {
    let of = |team| current.iter().find(move |version| version.team == team && version.risk == risk);
    directory.line_of(team).into_iter().find_map(|team| of(Some(team))).or_else(|| of(None))
}

/// The version that an incident is stamped with.
pub async fn by_id(tx: &mut Tx, organisation: OrganisationId, id: LadderId) -> Result<Version> {
    let row: Option<Row> =
        both!(tx, |c| sqlx::query_as(BY_ID).bind(id).bind(organisation).fetch_optional(c).await?);
    row.map(Version::from).ok_or_else(|| Error::inconsistent("incident", "ladder_id", id))
}

/// Adds a version. Somebody else may have added one meanwhile: then it is to be looked at again.
pub async fn add(tx: &mut Tx, organisation: OrganisationId, version: &Version) -> Result<()> {
    let added = execute!(
        tx,
        ADD,
        version.id,
        organisation,
        version.team,
        version.risk,
        version.version,
        Json(&version.ladder),
        version.set_by,
        version.set_at
    );
    if added == 1 { Ok(()) } else { Err(Error::Conflict) }
}
