//! What Twilio sends here: texts (`Body`, `From`) and what became of messages (`MessageStatus`).

use super::{
    Twilio, cause,
    signature::{self, Form},
};
use crate::{
    domain::retry::Cause,
    providers::inbound::{
        self, Hidden, Incoming, NotTaken, Outcome, Receipt, ReceiptOf, Received, ReceivedText, Sender, TextId,
    },
};

impl Twilio {
    pub(in crate::providers) fn read(&self, request: &Incoming<'_>) -> Result<Received, NotTaken> {
        let Some(callbacks) = &self.callbacks else {
            return Err(NotTaken::Forged("callbacks = false: nothing is taken from Twilio"));
        };
        let form = signature::form(request.body);
        let url = format!("{}{}", callbacks.public_url, request.path_and_query);
        callbacks.signers.verify(&url, &form, request.headers)?;
        read(&form, request.path_and_query)
    }
}

fn field<'f>(form: &'f Form, name: &str) -> Option<&'f str> {
    form.get(name)?.first().map(String::as_str).filter(|value| !value.is_empty())
}

fn read(form: &Form, path_and_query: &str) -> Result<Received, NotTaken> {
    let id = field(form, "MessageSid").or_else(|| field(form, "SmsSid"));
    // SmsStatus is there for texts too: `received`.
    if let Some(status) = field(form, "MessageStatus") {
        return receipt(form, status, id, path_and_query).map(Received::Receipt);
    }
    // A picture without words has an empty Body.
    let (Some(id), Some(from), true) = (id, field(form, "From"), form.contains_key("Body")) else {
        return Err(NotTaken::Malformed("it is neither a text (MessageSid, From, Body) nor a MessageStatus"));
    };
    Ok(Received::Text(ReceivedText {
        id: TextId(id.into()),
        from: Sender::read(from),
        to: field(form, "To").and_then(inbound::phone),
        text: Hidden::new(field(form, "Body").unwrap_or_default()),
        sent_at: None,
    }))
}

fn receipt(form: &Form, status: &str, id: Option<&str>, path_and_query: &str) -> Result<Receipt, NotTaken> {
    let query = path_and_query.split_once('?').map_or("", |(_, query)| query);
    let ours = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "message");
    let of = ReceiptOf::read(ours.as_ref().map(|(_, id)| id.as_ref()), id)
        .ok_or(NotTaken::Malformed("a MessageStatus without MessageSid"))?;
    let code = field(form, "ErrorCode").and_then(|code| code.parse::<u64>().ok());
    let outcome = match status {
        "delivered" | "read" => Outcome::Delivered,
        "failed" | "undelivered" | "canceled" => Outcome::Failed {
            cause: code.and_then(cause).unwrap_or(Cause::Other),
            reason: code.map_or_else(|| "Twilio, without a code".into(), |code| format!("Twilio {code}")),
        },
        // accepted, scheduled, queued, sending, sent, partially_delivered, and what Twilio may think of.
        _ => Outcome::OnItsWay,
    };
    Ok(Receipt { of, outcome, at: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::MessageId;

    fn form_of(body: &str) -> Result<Received, NotTaken> {
        read(
            &signature::form(body.as_bytes()),
            "/receipts/twilio?message=00000000-0000-0000-0000-000000000007",
        )
    }

    #[test]
    fn a_text_is_read() {
        let body = "ToCountry=GB&SmsMessageSid=SM1&NumMedia=0&SmsSid=SM1&SmsStatus=received&Body=Out+4711%21+%F0%9F%91%8D&To=%2B447700900999&MessageSid=SM1&From=%2B447700900123";
        let Ok(Received::Text(text)) = form_of(body) else { panic!("a text") };
        assert_eq!((text.id, text.from), (TextId("SM1".into()), Sender::read("+447700900123")));
        assert_eq!((text.text.reveal(), text.to.unwrap().as_str()), ("Out 4711! 👍", "+447700900999"));
        let Ok(Received::Text(picture)) = form_of("MessageSid=MM1&From=%2B447700900123&Body=&NumMedia=1")
        else {
            panic!("a picture")
        };
        assert_eq!(picture.text.reveal(), "");
        for body in ["", "MessageSid=SM1&From=1", "From=1&Body=x", "{}"] {
            assert!(matches!(form_of(body), Err(NotTaken::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn a_receipt_is_read() {
        let outcome = |fields: &str| match form_of(&format!("MessageSid=SM1&SmsStatus=x&To=1&{fields}")) {
            Ok(Received::Receipt(receipt)) => receipt,
            other => panic!("{other:?}"),
        };
        let ours = ReceiptOf::Ours(MessageId(uuid::Uuid::from_u128(7)));
        assert_eq!(
            outcome("MessageStatus=delivered"),
            Receipt { of: ours, outcome: Outcome::Delivered, at: None }
        );
        for status in ["queued", "sending", "sent", "accepted", "something_new"] {
            assert_eq!(outcome(&format!("MessageStatus={status}")).outcome, Outcome::OnItsWay);
        }
        for (fields, cause, reason) in [
            ("MessageStatus=undelivered&ErrorCode=30003", Cause::Other, "Twilio 30003"),
            ("MessageStatus=failed&ErrorCode=21610", Cause::OptedOut, "Twilio 21610"),
            ("MessageStatus=undelivered&ErrorCode=30005", Cause::NoSuchAddress, "Twilio 30005"),
            ("MessageStatus=failed", Cause::Other, "Twilio, without a code"),
        ] {
            assert_eq!(outcome(fields).outcome, Outcome::Failed { cause, reason: reason.into() });
        }
        let without_ours =
            read(&signature::form(b"SmsSid=SM1&MessageStatus=sent"), "/receipts/twilio").unwrap();
        let theirs = ReceiptOf::Theirs("SM1".into());
        assert_eq!(
            without_ours,
            Received::Receipt(Receipt { of: theirs, outcome: Outcome::OnItsWay, at: None })
        );
    }
}
