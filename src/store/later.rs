//! Writes that leave together. What a use case writes and need not look at waits here until it asks the database for something
//! else, or ends: a trip to PostgreSQL, or to the thread that holds SQLite, costs more than most of these texts.

use std::{borrow::Cow, fmt::Write as _};

use futures::TryStreamExt;
use sqlx::{
    Arguments as _, AssertSqlSafe, Either, Encode, Executor, PgConnection, Postgres, Row, Sqlite,
    SqliteConnection, Type, postgres::PgArguments, sqlite::SqliteArguments,
};

use super::{Conn, EngineMut, Error, LONGEST_STATEMENT, Result, Tx, one_row};

/// So many texts leave together at most: the fewer shapes there are, the more of them are prepared already.
const MOST: usize = 8;

/// How many rows a text has to touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hits {
    /// One: a row that was read must still be what it was.
    One,
    /// As many as there are.
    Any,
}

/// Texts that have not left yet, in the order in which they came, and what they are bound to.
#[derive(Debug)]
pub(super) struct Waiting {
    texts: Vec<Text>,
    bound: Bound,
}

#[derive(Debug)]
struct Text {
    sql: Cow<'static, str>,
    hits: Hits,
    /// So many parameters belong to those before it.
    bound_before: usize,
}

/// Parameters, encoded as each engine has them.
#[derive(Debug)]
enum Bound {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

/// Lets a text that gives no rows wait with others.
macro_rules! later {
    ($tx:expr, $hits:ident, $text:expr $(, $bind:expr)* $(,)?) => {{
        $crate::store::Tx::later($tx, $text.into(), $crate::store::later::Hits::$hits).await?$(.bind($bind)?)*;
    }};
}
pub(super) use later;

impl Waiting {
    pub(super) fn new(conn: &Conn) -> Self {
        let bound = match conn {
            Conn::Sqlite(_) => Bound::Sqlite(SqliteArguments::default()),
            Conn::Postgres(_) | Conn::PostgresRead(_) => Bound::Postgres(PgArguments::default()),
        };
        Self { texts: Vec::new(), bound }
    }

    /// The next parameter of the last text.
    pub(super) fn bind<'v, T>(&mut self, value: T) -> Result<&mut Self>
    where
        T: Encode<'v, Sqlite> + Type<Sqlite> + Encode<'v, Postgres> + Type<Postgres>,
    {
        let added = match &mut self.bound {
            Bound::Sqlite(bound) => bound.add(value),
            Bound::Postgres(bound) => bound.add(value),
        };
        added.map_err(|error| Error::Unavailable(error.to_string().into()))?;
        Ok(self)
    }

    fn push(&mut self, sql: Cow<'static, str>, hits: Hits) -> &mut Self {
        let bound_before = match &self.bound {
            Bound::Sqlite(bound) => bound.len(),
            Bound::Postgres(bound) => bound.len(),
        };
        self.texts.push(Text { sql, hits, bound_before });
        self
    }

    /// PostgreSQL shows all that leave together the same rows: no text may follow one that writes what it reads or writes.
    fn has_to_leave_before(&self, sql: &str) -> bool {
        let in_order = matches!(self.bound, Bound::Sqlite(_));
        let touches =
            |table: &str| sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == table);
        self.texts.len() == MOST || (!in_order && self.texts.iter().any(|text| touches(table_of(&text.sql))))
    }
}

/// The table that a text writes.
fn table_of(sql: &str) -> &str {
    let mut words = sql.split_whitespace();
    let between = usize::from(words.next() != Some("UPDATE"));
    words.nth(between).unwrap_or_default()
}

impl Tx {
    /// See [`later!`].
    pub(super) async fn later(&mut self, sql: Cow<'static, str>, hits: Hits) -> Result<&mut Waiting> {
        if self.waiting.has_to_leave_before(&sql) {
            self.send().await?;
        }
        Ok(self.waiting.push(sql, hits))
    }

    /// Sends what waits.
    pub(super) async fn send(&mut self) -> Result<()> {
        if self.waiting.texts.is_empty() {
            return Ok(());
        }
        let Waiting { texts, bound } = self.take_waiting();
        match (self.engine_mut(), bound) {
            (EngineMut::Sqlite(conn), Bound::Sqlite(bound)) => one_after_the_other(conn, &texts, bound).await,
            (EngineMut::Postgres(conn), Bound::Postgres(bound)) => {
                let sent = as_one_statement(conn, &texts, bound);
                tokio::time::timeout(LONGEST_STATEMENT, sent).await.unwrap_or(Err(Error::Busy))
            }
            _ => Err(Error::Closed),
        }
    }

    /// Sends what waits, and then a text of SQLite's or PostgreSQL's own that marks a place in the transaction.
    pub(super) async fn send_and_run(&mut self, text: &'static str) -> Result<()> {
        // A row that was missed has to be noticed before the place is marked.
        let at_once = self.waiting.texts.iter().all(|waiting| waiting.hits == Hits::Any);
        if at_once && matches!(self.conn, Conn::Sqlite(_)) {
            self.waiting.push(text.into(), Hits::Any);
            return self.send().await;
        }
        self.run(text).await
    }

    /// What waits is not wanted any more.
    pub(super) fn take_waiting(&mut self) -> Waiting {
        std::mem::replace(&mut self.waiting, Waiting::new(&self.conn))
    }
}

/// SQLite takes several statements in one text.
async fn one_after_the_other(
    conn: &mut SqliteConnection,
    texts: &[Text],
    bound: SqliteArguments,
) -> Result<()> {
    let sql: Vec<String> = texts.iter().map(Text::numbered).collect();
    let mut done = conn.fetch_many(sqlx::query_with(AssertSqlSafe(sql.join("; ")), bound));
    let mut texts = texts.iter();
    while let Some(done) = done.try_next().await? {
        if let (Either::Left(done), Some(Text { hits: Hits::One, .. })) = (done, texts.next()) {
            one_row(done.rows_affected())?;
        }
    }
    Ok(())
}

/// PostgreSQL takes one statement, with the others as its tables.
async fn as_one_statement(conn: &mut PgConnection, texts: &[Text], bound: PgArguments) -> Result<()> {
    if let [Text { sql, hits, .. }] = texts {
        let done = sqlx::query_with(AssertSqlSafe(sql.as_ref()), bound).execute(conn).await?;
        return if *hits == Hits::One { one_row(done.rows_affected()) } else { Ok(()) };
    }
    let (mut with, mut select) = (String::from("WITH"), String::from("SELECT"));
    for (at, text) in texts.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _infallible = write!(with, "{comma} w{at} AS ({} RETURNING 1)", text.numbered());
        let _infallible = write!(select, "{comma} (SELECT count(*) FROM w{at})");
    }
    let row = sqlx::query_with(AssertSqlSafe(format!("{with} {select}")), bound).fetch_one(conn).await?;
    for (at, _) in texts.iter().enumerate().filter(|(_, text)| text.hits == Hits::One) {
        one_row(u64::try_from(row.try_get::<i64, _>(at)?).unwrap_or_default())?;
    }
    Ok(())
}

/// An INSERT of one row as one of several.
pub(super) fn rows_of(insert: &'static str, columns: usize, rows: usize) -> Cow<'static, str> {
    if rows == 1 {
        return insert.into();
    }
    let mut text = String::from(insert);
    for row in 1..rows {
        let numbers: Vec<String> =
            (1..=columns).map(|column| format!("${}", row * columns + column)).collect();
        let _infallible = write!(text, ", ({})", numbers.join(", "));
    }
    text.into()
}

impl Text {
    /// With the numbers of its parameters counted on from those before it.
    fn numbered(&self) -> String {
        let mut parts = self.sql.split('$');
        let mut numbered = String::from(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
            let (number, rest) = part.split_at(digits);
            let number = number.parse().unwrap_or(0) + self.bound_before;
            let _infallible = write!(numbered, "${number}{rest}");
        }
        numbered
    }
}
