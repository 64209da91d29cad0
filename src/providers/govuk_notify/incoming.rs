//! What Notify sends here: texts (`source_number`, `message`) and receipts (`status`); and the page of texts that it is asked
//! for, where the same things have other names.

use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::GovukNotify;
use crate::{
    domain::retry::Cause,
    providers::inbound::{
        self, Hidden, Incoming, NotTaken, Outcome, Polled, Receipt, ReceiptOf, Received, ReceivedText,
        Sender, TextId, header,
    },
};

/// A text, by a callback or in a page.
#[derive(Deserialize)]
struct Text {
    id: String,
    #[serde(alias = "source_number")]
    user_number: String,
    #[serde(alias = "destination_number")]
    notify_number: Option<String>,
    #[serde(alias = "message")]
    content: String,
    #[serde(alias = "date_received")]
    created_at: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    id: String,
    reference: Option<String>,
    status: String,
    completed_at: Option<String>,
    sent_at: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    received_text_messages: Vec<serde_json::Value>,
}

impl GovukNotify {
    pub(in crate::providers) fn read(&self, request: &Incoming<'_>) -> Result<Received, NotTaken> {
        let token = header(request.headers, "authorization").and_then(|text| text.strip_prefix("Bearer "));
        let token = token.ok_or(NotTaken::Forged("it has no bearer token"))?;
        // Digests are of one length, so that the time it takes tells nothing of the token's.
        let same = |ours: &str| bool::from(Sha256::digest(ours).ct_eq(&Sha256::digest(token.trim())));
        if !self.tokens.iter().any(|ours| same(ours.reveal())) {
            return Err(NotTaken::Forged("its bearer token is not callback_token"));
        }
        let said: serde_json::Value =
            serde_json::from_slice(request.body).map_err(|_| NotTaken::Malformed("it is no JSON"))?;
        read(said)
    }
}

fn read(said: serde_json::Value) -> Result<Received, NotTaken> {
    if said.get("status").is_none() {
        return text(said).map(Received::Text).ok_or(NotTaken::Malformed(
            "it is neither a text (id, source_number, message) nor a receipt (status)",
        ));
    }
    let report: Report =
        serde_json::from_value(said).map_err(|_| NotTaken::Malformed("a receipt needs id and status"))?;
    let of = ReceiptOf::read(report.reference.as_deref(), Some(&report.id))
        .ok_or(NotTaken::Malformed("a receipt for no message"))?;
    let failed = |cause| Outcome::Failed { cause, reason: report.status.clone() };
    let outcome = match report.status.as_str() {
        "delivered" => Outcome::Delivered,
        "permanent-failure" => failed(Cause::NoSuchAddress),
        "temporary-failure" | "technical-failure" => failed(Cause::Other),
        // created, sending, pending, sent, and what Notify may think of.
        _ => Outcome::OnItsWay,
    };
    let at = inbound::time(report.completed_at.as_deref().or(report.sent_at.as_deref()));
    Ok(Received::Receipt(Receipt { of, outcome, at }))
}

fn text(said: serde_json::Value) -> Option<ReceivedText> {
    let text: Text = serde_json::from_value(said).ok()?;
    (!text.id.is_empty()).then(|| ReceivedText {
        id: TextId(text.id),
        from: Sender::read(&text.user_number),
        to: text.notify_number.as_deref().and_then(inbound::phone),
        text: Hidden::new(text.content),
        sent_at: inbound::time(text.created_at.as_deref()),
    })
}

/// The texts of a page. One that cannot be read keeps none of the others back.
pub(super) fn page(said: serde_json::Value) -> Option<Polled> {
    let page: Page = serde_json::from_value(said).ok()?;
    let all = page.received_text_messages.len();
    let texts: Vec<_> = page.received_text_messages.into_iter().filter_map(text).collect();
    Some(Polled { unreadable: all - texts.len(), texts })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ids::MessageId;

    #[test]
    fn a_text_is_the_same_by_a_callback_and_in_a_page() {
        let by_callback = read(json!({
            "id": "t1", "source_number": "447700900123", "destination_number": "07700900999",
            "message": "OUT 4711", "date_received": "2026-11-21T09:00:00.000000Z",
        }));
        let Ok(Received::Text(text)) = by_callback else { panic!("a text") };
        assert_eq!((&text.id, &text.from), (&TextId("t1".into()), &Sender::read("07700900123")));
        assert_eq!(text.to.as_ref().unwrap().as_str(), "+447700900999");
        assert_eq!(
            (text.text.reveal(), text.sent_at),
            ("OUT 4711", Some("2026-11-21T09:00:00Z".parse().unwrap()))
        );
        let in_page = page(json!({"received_text_messages": [
            {"id": "t1", "user_number": "447700900123", "notify_number": "07700900999", "content": "OUT 4711",
             "created_at": "2026-11-21T09:00:00.000000Z", "service_id": "s"},
            {"id": 5},
        ], "links": {"current": "x"}}));
        assert_eq!(in_page, Some(Polled { texts: vec![text], unreadable: 1 }));
        assert_eq!(page(json!({"errors": []})), None);
        for said in [json!({}), json!([]), json!({"id": "1", "message": "x"}), json!({"status": "delivered"})]
        {
            assert!(matches!(read(said), Err(NotTaken::Malformed(_))));
        }
    }

    #[test]
    fn a_receipt_is_read() {
        let read = |reference: Option<&str>, status: &str| {
            let said = json!({
                "id": "n1", "reference": reference, "to": "07700900912345", "status": status, "sent_at": null,
                "completed_at": "2026-11-21T09:00:00.000000Z", "notification_type": "sms", "template_version": 1,
            });
            match read(said) {
                Ok(Received::Receipt(receipt)) => receipt,
                other => panic!("{other:?}"),
            }
        };
        let ours = MessageId(uuid::Uuid::from_u128(7));
        let at = Some("2026-11-21T09:00:00Z".parse().unwrap());
        assert_eq!(
            read(Some(&ours.to_string()), "delivered"),
            Receipt { of: ReceiptOf::Ours(ours), outcome: Outcome::Delivered, at }
        );
        for reference in [None, Some("another's")] {
            assert_eq!(read(reference, "delivered").of, ReceiptOf::Theirs("n1".into()));
        }
        for (status, cause) in [
            ("permanent-failure", Cause::NoSuchAddress),
            ("temporary-failure", Cause::Other),
            ("technical-failure", Cause::Other),
        ] {
            assert_eq!(read(None, status).outcome, Outcome::Failed { cause, reason: status.into() });
        }
        for status in ["created", "sending", "pending", "sent", "something-new"] {
            assert_eq!(read(None, status).outcome, Outcome::OnItsWay);
        }
    }
}
