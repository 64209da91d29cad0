//! Many ids as one parameter: `id IN (SELECT unhex(value) FROM json_each($1))` on SQLite, `id = ANY($1)` on PostgreSQL.

use sqlx::{
    Database, Encode, Postgres, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    types::{Json, Uuid},
};

/// Ids to look for.
#[derive(Debug, Clone)]
pub(super) struct IdList(Vec<Uuid>);

impl FromIterator<Uuid> for IdList {
    fn from_iter<I: IntoIterator<Item = Uuid>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

impl Type<Sqlite> for IdList {
    fn type_info() -> <Sqlite as Database>::TypeInfo {
        <Json<Vec<String>> as Type<Sqlite>>::type_info()
    }
}

impl Encode<'_, Sqlite> for IdList {
    fn encode_by_ref(&self, buf: &mut <Sqlite as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        let hex: Vec<String> = self.0.iter().map(|id| id.simple().to_string()).collect();
        <Json<Vec<String>> as Encode<Sqlite>>::encode(Json(hex), buf)
    }
}

impl Type<Postgres> for IdList {
    fn type_info() -> <Postgres as Database>::TypeInfo {
        <Vec<Uuid> as Type<Postgres>>::type_info()
    }
}

impl Encode<'_, Postgres> for IdList {
    fn encode_by_ref(&self, buf: &mut <Postgres as Database>::ArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <Vec<Uuid> as Encode<Postgres>>::encode_by_ref(&self.0, buf)
    }
}
