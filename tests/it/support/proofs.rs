//! People who are asked whether an address is theirs.

use homeward::domain::{contact::Channel, notice::Purpose};

use super::app::{Said, TestApp};

/// The page behind a link: its status and what it says.
pub async fn page(app: &TestApp, method: &str, link: &str, form: Option<&str>) -> (u16, String) {
    let path = link.split_once("/proofs/").unwrap().1;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut request = client.request(method.parse().unwrap(), app.url(&format!("/proofs/{path}")));
    if let Some(form) = form {
        request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The link and the code in the last mail that asks somebody.
pub async fn mailed(app: &TestApp, who: &str) -> (String, String) {
    let said = app.said().await;
    let asks =
        |said: &&Said| said.to == who && said.channel == Channel::Email && said.purpose == Purpose::Proof;
    let mail = said.iter().rfind(asks).unwrap().text.clone();
    let link = mail.lines().find(|line| line.contains("/proofs/")).unwrap().to_owned();
    let code = mail.split("the code ").nth(1).unwrap()[..4].to_owned();
    (link, code)
}
