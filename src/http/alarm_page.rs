//! Somebody's own page of an alarm. Plain: it has to work in any browser, on any phone, and needs nothing else.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;

use super::{Site, plain_page::plain_page};
use crate::{
    app::alarm_page::{self as cases, Answered, Deed, Reader, Shown},
    domain::{
        ids::{IncidentId, PersonId},
        wording::html::escaped,
    },
    store::{Lane, Tx},
};

const TITLE: &str = "Homeward: alarm";

/// After so many different wrong codes a page takes none any more, by this process: whoever has its address alone must not guess.
/// A program that presses every button says the same each time.
const MOST_WRONG: usize = 50;
/// So many pages are remembered.
const MOST_PAGES: usize = 10_000;

/// Which wrong codes each page was given.
#[derive(Debug, Clone, Default)]
pub struct WrongCodes(Arc<Mutex<ByPage>>);

type ByPage = HashMap<(IncidentId, PersonId), BTreeSet<String>>;

impl WrongCodes {
    fn are_too_many(&self, page: (IncidentId, PersonId)) -> bool {
        let wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        wrong.get(&page).is_some_and(|wrong| wrong.len() >= MOST_WRONG)
    }

    fn one_more(&self, page: (IncidentId, PersonId), code: &str) {
        let mut wrong = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MOST_PAGES {
            wrong.clear();
        }
        let code = code.trim().chars().take(8).collect::<String>().to_uppercase();
        wrong.entry(page).or_default().insert(code);
    }
}

/// What its form sends.
#[derive(Deserialize)]
pub(super) struct Said {
    code: String,
    what: String,
}

/// Shows it, and does nothing.
pub(super) async fn show(State(site): State<Site>, Path(end): Path<String>) -> Response {
    let Some(whose) = site.key.read_alarm_page(&end) else { return nothing_here() };
    let found = async { cases::show(&mut site.db.read().await?, whose).await };
    match found.await {
        Ok(Some(shown)) => page(StatusCode::OK, &shown, None, ""),
        Ok(None) => nothing_here(),
        Err(error) => not_now(&error),
    }
}

/// Does what is said on it, with the code.
pub(super) async fn answer(
    State(site): State<Site>,
    Path(end): Path<String>,
    said: Result<Form<Said>, FormRejection>,
) -> Response {
    let Some(whose) = site.key.read_alarm_page(&end) else { return nothing_here() };
    if site.wrong_codes.are_too_many(whose) {
        return plain_page(
            StatusCode::FORBIDDEN,
            TITLE,
            "<h1>Too many wrong codes</h1><p>Nothing was done. Answer by text, or ring whoever is on duty. In danger now: ring 999.</p>",
        );
    }
    let (house, key, now) = (Arc::clone(&site.house), site.key.clone(), site.clock.now());
    let read = said.ok().and_then(|Form(said)| Some((said.code, deed(&said.what)?)));
    let typed = read.as_ref().map(|(code, _)| code.clone()).unwrap_or_default();
    let case = async move |tx: &mut Tx| {
        let answered = match &read {
            Some((code, deed)) => cases::answer(tx, &house, &key, whose, (code, *deed), now).await?,
            None => Some(Answered::WrongCode),
        };
        Ok(cases::show(tx, whose).await?.zip(answered))
    };
    match site.db.write_in(Lane::Urgent, case).await {
        Ok(Some((shown, Answered::Said(words)))) => page(StatusCode::OK, &shown, Some(&words), &typed),
        Ok(Some((shown, Answered::WrongCode))) => {
            site.wrong_codes.one_more(whose, &typed);
            page(
                StatusCode::FORBIDDEN,
                &shown,
                Some(
                    "Nothing was done: that is not the code in the message that led you here. Type it again.",
                ),
                "",
            )
        }
        Ok(None) => nothing_here(),
        Err(error) => not_now(&error),
    }
}

fn deed(what: &str) -> Option<Deed> {
    match what {
        "take" => Some(Deed::Take),
        "cannot" => Some(Deed::Cannot),
        "where" => Some(Deed::Where),
        "not-safe" => Some(Deed::NotSafe),
        _ => None,
    }
}

fn page(
    status: StatusCode,
    Shown { worker, open, reader }: &Shown,
    said: Option<&str>,
    code: &str,
) -> Response {
    let (worker, code) = (escaped(worker), escaped(code));
    let said = said
        .map_or_else(String::new, |said| format!("<p class=\"said\" role=\"alert\">{}</p>", escaped(said)));
    let rest = if *open {
        let buttons: &[(&str, &str)] = match reader {
            Reader::Staff => &[
                ("take", "I take this alarm"),
                ("where", "Show the place and the last contact"),
                ("cannot", "I cannot take it"),
                ("not-safe", "They are NOT safe"),
            ],
            Reader::Outside => &[
                ("take", "I am trying to reach them"),
                ("cannot", "I cannot"),
                ("not-safe", "They are NOT safe"),
            ],
        };
        let button = |(at, (what, words)): (usize, &(&str, &str))| {
            let class = if at == 0 { " class=\"first\"" } else { "" };
            format!("<button{class} name=\"what\" value=\"{what}\">{words}</button>")
        };
        let buttons: String = buttons.iter().enumerate().map(button).collect();
        format!(
            "<form method=\"post\"><p><label for=\"code\">Your code, from the message</label><br>\
             <input id=\"code\" name=\"code\" value=\"{code}\" required maxlength=\"8\" autocomplete=\"off\" autocapitalize=\"characters\" spellcheck=\"false\"></p>{buttons}</form>\
             <p>In danger now: ring 999. Homeward is no alarm receiving centre.</p>"
        )
    } else {
        "<p>This alarm is over. There is nothing for you to do.</p>".to_owned()
    };
    plain_page(status, TITLE, &format!("<h1>Alarm about {worker}</h1>{said}{rest}"))
}

fn nothing_here() -> Response {
    plain_page(
        StatusCode::NOT_FOUND,
        TITLE,
        "<h1>Nothing here</h1><p>This address leads to no alarm of yours. Copy all of it from the message, or answer by text. \
         In danger now: ring 999.</p>",
    )
}

fn not_now(error: &crate::store::Error) -> Response {
    tracing::error!(%error, "an alarm's page could not be had");
    plain_page(
        StatusCode::SERVICE_UNAVAILABLE,
        TITLE,
        "<h1>That did not work</h1><p>It is not known whether it was done. Try again in a few seconds, or answer by text. \
         In danger now: ring 999.</p>",
    )
}
