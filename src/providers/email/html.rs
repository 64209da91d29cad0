//! The same words as HTML: paragraphs and lists, no picture, nothing from elsewhere, and one link at most.

use std::fmt::Write;

use super::super::Outgoing;
use crate::domain::wording::html::escaped;

/// A mail's words and page as HTML.
pub(super) fn of(mail: &Outgoing<'_>) -> String {
    let mut html = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Homeward</title></head>\n\
         <body style=\"font-family: Arial, Helvetica, sans-serif; font-size: 16px; line-height: 1.4; color: #0b0c0c\">\n",
    );
    let mut list = None;
    for line in mail.body.lines() {
        let (kind, words) = List::of(line);
        if list != kind {
            close(&mut html, list);
            if let Some(kind) = kind {
                let _infallible = writeln!(html, "<{}>", kind.tag());
            }
            list = kind;
        }
        let words = escaped(words);
        let _infallible = match kind {
            Some(_) => writeln!(html, "<li>{words}</li>"),
            None if words.is_empty() => Ok(()),
            None => writeln!(html, "<p>{words}</p>"),
        };
    }
    close(&mut html, list);
    if let Some(page) = mail.page {
        let page = escaped(page);
        let _infallible = writeln!(
            html,
            "<p><a href=\"{page}\" style=\"font-weight: bold\">Open the page</a></p>\n<p>Or copy this address: {page}</p>"
        );
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// What a line of a mail is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Steps,
    Points,
}

impl List {
    fn of(line: &str) -> (Option<Self>, &str) {
        if let Some(words) = line.strip_prefix("- ") {
            return (Some(Self::Points), words);
        }
        match line.split_once(". ") {
            Some((number, words)) if number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit()) => {
                (Some(Self::Steps), words)
            }
            _ => (None, line),
        }
    }

    fn tag(self) -> &'static str {
        match self {
            Self::Steps => "ol",
            Self::Points => "ul",
        }
    }
}

fn close(html: &mut String, list: Option<List>) {
    if let Some(list) = list {
        let _infallible = writeln!(html, "</{}>", list.tag());
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{contact::Channel, ids::MessageId, retry::Before};

    #[test]
    fn what_people_typed_stays_words_and_steps_are_a_list() {
        let html = of(&Outgoing {
            id: MessageId(uuid::Uuid::nil()),
            channel: Channel::Email,
            address: "sam@example.org",
            subject: "x",
            body: "<b>Ann</b> & co\n\n1. Ring.\n2. Look.\n\n- one\nEnd",
            page: Some("https://x/alarm/a\"b"),
            before: Before::Nothing,
            now: DateTime::UNIX_EPOCH,
        });
        let body = html.split_once("0b0c0c\">\n").unwrap().1;
        assert_eq!(
            body,
            "<p>&lt;b&gt;Ann&lt;/b&gt; &amp; co</p>\n<ol>\n<li>Ring.</li>\n<li>Look.</li>\n</ol>\n<ul>\n<li>one</li>\n</ul>\n<p>End</p>\n\
             <p><a href=\"https://x/alarm/a&quot;b\" style=\"font-weight: bold\">Open the page</a></p>\n\
             <p>Or copy this address: https://x/alarm/a&quot;b</p>\n</body>\n</html>\n"
        );
    }
}
