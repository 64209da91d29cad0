//! The page behind the link in a mail that asks whether it reaches somebody (row D6). GET shows, POST with the code of that mail
//! acts. The page names nobody: whoever finds the link learns nothing.

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use uuid::Uuid;

use super::{Site, body::Body, plain_page::plain_page, problem::Problem};
use crate::{
    app::proofs::{self, OnPage, PageAnswer},
    domain::ids::AskId,
    store::Tx,
};

const FORM: &str = r#"<form method="post">
<p><label for="code">The code in the mail that led you here:</label><br>
<input id="code" name="code" maxlength="8" autocomplete="off" autocapitalize="characters" required></p>
<p><button name="answer" value="agree">Yes, it reaches me and I agree</button>
<button name="answer" value="decline">No, I do not agree</button></p>
</form>"#;

const OVER: &str =
    "<p>This question is over: it was answered, or there is a newer mail. There is nothing to do here.</p>";

/// Shows the question. Whoever fetches it, person or machine, changes nothing.
pub(super) async fn show(State(site): State<Site>, Path(id): Path<String>) -> Result<Response, Problem> {
    let open = match id.parse::<Uuid>() {
        Ok(id) => proofs::is_open(&mut site.db.read().await?, AskId(id)).await?,
        Err(_no_link_of_ours) => false,
    };
    Ok(if open {
        let text = format!(
            "<p>Homeward asks whether its mail reaches you. Nothing is done before you type the code.</p>\n{FORM}"
        );
        page(StatusCode::OK, "Does our mail reach you?", &text)
    } else {
        page(StatusCode::NOT_FOUND, "Nothing to do here", OVER)
    })
}

/// Does what the form says.
pub(super) async fn answer(
    State(site): State<Site>,
    Path(id): Path<String>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let body = body?;
    let field = |name| {
        let found = form_urlencoded::parse(&body).find(|(field, _)| field == name);
        found.map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let (code, answer) = (field("code"), field("answer"));
    let Ok(id) = id.parse::<Uuid>() else {
        return Ok(page(StatusCode::NOT_FOUND, "Nothing to do here", OVER));
    };
    let said = match answer.as_str() {
        "agree" => OnPage::Agrees,
        "decline" => OnPage::Declines,
        _ => return Ok(page(StatusCode::UNPROCESSABLE_ENTITY, "Yes or no?", FORM)),
    };
    let (house, now) = (site.house.clone(), site.clock.now());
    let case =
        async move |tx: &mut Tx| proofs::on_page(tx, &house, AskId(id), (said, code.as_str()), now).await;
    Ok(match site.db.write(case).await? {
        PageAnswer::Proved => {
            page(StatusCode::OK, "Thank you", "<p>Our mail reaches you. There is nothing more to do.</p>")
        }
        PageAnswer::Declined => page(
            StatusCode::OK,
            "Noted",
            "<p>You are called no more. Staff are told. Changed your mind? Tell whoever named you.</p>",
        ),
        PageAnswer::NotYours => page(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Not done",
            "<p>This is an address of a member of staff. Is it not yours? Tell your manager.</p>",
        ),
        PageAnswer::WrongCode => {
            let text =
                format!("<p>That code is not right, or was tried too often. Nothing was done.</p>\n{FORM}");
            page(StatusCode::UNPROCESSABLE_ENTITY, "Not done", &text)
        }
        PageAnswer::Over => page(StatusCode::NOT_FOUND, "Nothing to do here", OVER),
    })
}

fn page(status: StatusCode, title: &str, text: &str) -> Response {
    plain_page(status, title, &format!("<h1>{title}</h1>{text}"))
}
