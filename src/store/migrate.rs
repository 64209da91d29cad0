//! Migrations: the same file names for both engines, built into the binary.

use sqlx::migrate::Migrator;

use super::{Db, Error, Result, both};

static SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// Gives an application's own PostgreSQL user what it needs and no more: the event log takes inserts only.
const GRANTS: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {user};
    REVOKE UPDATE, DELETE, TRUNCATE ON event FROM {user};
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {user}";

impl Db {
    /// Brings the tables up to what this binary knows.
    pub async fn migrate(&self) -> Result<()> {
        let done = match self {
            // The writer's connection holds no lock between use cases, so one more writer is fine here.
            Self::Sqlite(db) => {
                let options = db.readers().connect_options().as_ref().clone().pragma("query_only", "OFF");
                let mut conn = sqlx::ConnectOptions::connect(&options).await?;
                SQLITE.run_direct(None, &mut conn, false).await
            }
            Self::Postgres(db) => POSTGRES.run(db.pool()).await,
        };
        done.map_err(|error| Error::Unavailable(error.to_string().into()))
    }

    /// Whether every migration that this binary knows has been applied.
    pub async fn is_migrated(&self) -> Result<bool> {
        let (known, text) = match self {
            Self::Sqlite(_) => (SQLITE.iter().count(), "SELECT count(*) FROM _sqlx_migrations WHERE success"),
            Self::Postgres(_) => {
                (POSTGRES.iter().count(), "SELECT count(*) FROM _sqlx_migrations WHERE success")
            }
        };
        let mut tx = self.read().await?;
        let applied: std::result::Result<i64, sqlx::Error> =
            both!(&mut tx, |c| sqlx::query_scalar(text).fetch_one(c).await);
        match applied {
            Ok(applied) => Ok(usize::try_from(applied).is_ok_and(|applied| applied >= known)),
            // Without the table nothing was ever applied.
            Err(sqlx::Error::Database(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Grants `user`, another PostgreSQL user than the one that migrates, what the service needs.
    pub async fn grant_to(&self, user: &str) -> Result<()> {
        let Self::Postgres(db) = self else {
            return Err(Error::Unavailable("only PostgreSQL has users to grant to".into()));
        };
        let quoted = format!("\"{}\"", user.replace('"', "\"\""));
        let text = GRANTS.replace("{user}", &quoted);
        sqlx::raw_sql(sqlx::AssertSqlSafe(text)).execute(db.pool()).await?;
        Ok(())
    }
}
