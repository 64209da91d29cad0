//! What a gateway sends here: `{"type":"sms.received","timestamp":…,"data":{"id":…,"from":…,"to":…,"text":…,"received_at":…}}`
//! and `{"type":"sms.receipt","timestamp":…,"data":{"id" or "reference":…,"status":…,"reason":…}}`, signed like what it gets.

use serde::Deserialize;

use super::SmsWebhook;
use crate::{
    domain::retry::Cause,
    providers::{
        inbound::{
            self, Hidden, Incoming, NotTaken, Outcome, Receipt, ReceiptOf, Received, ReceivedText, Sender,
            TextId,
        },
        standard_webhooks, web,
    },
};

#[derive(Deserialize)]
struct Event {
    r#type: String,
    timestamp: Option<String>,
    data: serde_json::Value,
}

#[derive(Deserialize)]
struct Sms {
    id: String,
    from: String,
    to: Option<String>,
    text: String,
    received_at: Option<String>,
}

#[derive(Deserialize)]
struct Report {
    id: Option<String>,
    reference: Option<String>,
    status: String,
    reason: Option<String>,
}

impl SmsWebhook {
    pub(in crate::providers) fn read(&self, request: &Incoming<'_>) -> Result<Received, NotTaken> {
        standard_webhooks::verify(&self.inbound, request)?;
        let event: Event = serde_json::from_slice(request.body)
            .map_err(|_| NotTaken::Malformed("it is no JSON with type and data"))?;
        match event.r#type.as_str() {
            "sms.received" => text(event.data).map(Received::Text),
            "sms.receipt" => receipt(event.data, event.timestamp.as_deref()).map(Received::Receipt),
            _ => Err(NotTaken::Malformed("its type is neither sms.received nor sms.receipt")),
        }
    }
}

fn text(data: serde_json::Value) -> Result<ReceivedText, NotTaken> {
    let text: Sms = serde_json::from_value(data)
        .map_err(|_| NotTaken::Malformed("sms.received needs id, from and text in its data"))?;
    if text.id.is_empty() {
        return Err(NotTaken::Malformed("the id of the text is empty"));
    }
    Ok(ReceivedText {
        id: TextId(text.id),
        from: Sender::read(&text.from),
        to: text.to.as_deref().and_then(inbound::phone),
        text: Hidden::new(text.text),
        sent_at: inbound::time(text.received_at.as_deref()),
    })
}

fn receipt(data: serde_json::Value, timestamp: Option<&str>) -> Result<Receipt, NotTaken> {
    let report: Report = serde_json::from_value(data).map_err(|_| {
        NotTaken::Malformed("sms.receipt needs a status and an id or a reference in its data")
    })?;
    let of =
        ReceiptOf::read(report.id.as_deref(), report.reference.as_deref()).ok_or(NotTaken::Malformed(
            "sms.receipt needs the id that the message was sent with, or the gateway's reference",
        ))?;
    let failed = |cause| Outcome::Failed {
        cause,
        reason: report.reason.as_deref().and_then(web::harmless).unwrap_or(&report.status).into(),
    };
    let outcome = match report.status.as_str() {
        "sent" => Outcome::OnItsWay,
        "delivered" => Outcome::Delivered,
        "failed" | "undelivered" => failed(Cause::Other),
        "no_such_number" => failed(Cause::NoSuchAddress),
        "opted_out" => failed(Cause::OptedOut),
        _ => {
            return Err(NotTaken::Malformed(
                "the status is none of sent, delivered, failed, undelivered, no_such_number, opted_out",
            ));
        }
    };
    Ok(Receipt { of, outcome, at: inbound::time(timestamp) })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::MessageId;

    fn event(kind: &str, data: Value) -> Result<Received, NotTaken> {
        match kind {
            "text" => text(data).map(Received::Text),
            _ => receipt(data, Some("2026-11-21T09:00:00Z")).map(Received::Receipt),
        }
    }

    #[test]
    fn a_text_is_read() {
        let Received::Text(text) = event(
            "text",
            json!({"id": "t1", "from": "447700900123", "to": "07700900999", "text": " OUT 4711 ", "received_at": "2026-11-21T10:00:00+01:00", "more": 1}),
        )
        .unwrap() else {
            panic!("a text")
        };
        assert_eq!(text.id, TextId("t1".into()));
        assert_eq!(text.from, Sender::read("+447700900123"));
        assert_eq!(text.to.unwrap().as_str(), "+447700900999");
        assert_eq!(text.text.reveal(), " OUT 4711 ");
        assert_eq!(text.sent_at, Some("2026-11-21T09:00:00Z".parse().unwrap()));
        for data in [
            json!({}),
            json!({"id": "", "from": "x", "text": "y"}),
            json!({"id": "1", "text": "y"}),
            json!(5),
        ] {
            assert!(matches!(event("text", data), Err(NotTaken::Malformed(_))));
        }
    }

    #[test]
    fn a_receipt_is_read() {
        let ours = MessageId(uuid::Uuid::from_u128(7));
        let read = |data| match event("receipt", data) {
            Ok(Received::Receipt(receipt)) => receipt,
            other => panic!("{other:?}"),
        };
        let at = Some(DateTime::parse_from_rfc3339("2026-11-21T09:00:00Z").unwrap().to_utc());
        assert_eq!(
            read(json!({"id": ours, "reference": "r", "status": "delivered"})),
            Receipt { of: ReceiptOf::Ours(ours), outcome: Outcome::Delivered, at }
        );
        let of = ReceiptOf::Theirs("r".into());
        for (status, reason, cause, said) in [
            ("failed", Some("E42"), Cause::Other, "E42"),
            ("undelivered", Some("Ann's phone is off"), Cause::Other, "undelivered"),
            ("opted_out", None, Cause::OptedOut, "opted_out"),
            ("no_such_number", None, Cause::NoSuchAddress, "no_such_number"),
        ] {
            let receipt =
                read(json!({"id": "not ours", "reference": "r", "status": status, "reason": reason}));
            assert_eq!(
                receipt,
                Receipt { of: of.clone(), outcome: Outcome::Failed { cause, reason: said.into() }, at }
            );
        }
        for data in [
            json!({"status": "sent"}),
            json!({"reference": "r", "status": "gone"}),
            json!({"reference": "r"}),
        ] {
            assert!(matches!(event("receipt", data), Err(NotTaken::Malformed(_))));
        }
    }
}
