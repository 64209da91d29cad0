//! What holds for every text whatsoever. The fuzz target is made of this file too, so that both look at the same.

use homeward::domain::{
    agreement::{Answer, Changed},
    command::{
        Code, Command, Rehearsed, Until, masked, normalised, parse,
        words::{Listed, Word},
    },
    measures::Kept,
};

/// Fails if a text is read as it must not be. Nothing is assumed of the text.
pub fn hold_for(text: &str) {
    let command = parse(text);
    let read = normalised(text);
    assert_eq!(normalised(&read), read, "normalising twice changes {text:?}");

    needs_its_word(&command, &read);
    if let Some(digits) = pin(&command) {
        let found = compact(&read).contains(&digits);
        assert!(found, "{text:?} holds no {digits}");
    }
    if let Some(code) = code(&command) {
        assert!(compact(&read).contains(code.as_str()), "{text:?} holds no {code}");
    }

    let shown = masked(text);
    assert_eq!(masked(&shown), shown, "masking twice changes {text:?}");
    assert_eq!(longest_number(&shown), None, "{text:?} is shown as {shown:?}");
    assert_eq!(pin(&parse(&shown)), None, "a PIN can be read in {shown:?}");
    for kept in kept_words(&command) {
        assert_eq!(longest_number(kept), None, "{text:?} keeps {kept:?}");
    }
}

/// What ends, lengthens or lowers anything begins with a word that is listed for it.
fn needs_its_word(command: &Command, read: &str) {
    let word = match command {
        Command::Out { .. } => Word::Out,
        Command::Fine { .. } => Word::Fine,
        Command::More { .. } => Word::More,
        Command::Ack { .. } | Command::AckAll { .. } => Word::Ack,
        Command::Hold { .. } => Word::Hold,
        Command::Safe { .. } => Word::Safe,
        Command::Where { .. } => Word::Where,
        Command::Measures { .. } => Word::Measures,
        Command::Decide { answer: Answer::Agree, .. } => Word::Agree,
        Command::Decide { answer: Answer::Refuse, .. } => Word::Refuse,
        Command::Decide { answer: Answer::Ask, .. } => Word::Question,
        Command::Changes { changed: Changed::Yes, .. } => Word::Changed,
        Command::Changes { .. } => Word::Unchanged,
        _ => return,
    };
    let listed: &Listed = word.listed().unwrap();
    let begins = listed.spellings.iter().any(|spelling| compact(read).starts_with(spelling));
    assert!(begins, "{read:?} became {command:?}");
    if let Command::Measures { kept: Some(Kept::Yes), .. } = command {
        let behind = compact(read).split_off("MEASURES".len());
        assert!(behind.starts_with("OK") || behind.starts_with("YES"), "{read:?} became {command:?}");
    }
}

/// The digits of the PIN in it.
pub fn pin(command: &Command) -> Option<String> {
    match command {
        Command::Out { pin, .. }
        | Command::Test { what: Rehearsed::Out { pin, .. } }
        | Command::Fine { pin, .. }
        | Command::More { pin, .. } => pin.as_ref().map(|pin| pin.as_str().to_owned()),
        _ => None,
    }
}

/// The code in it.
pub fn code(command: &Command) -> Option<Code> {
    match command {
        Command::Ack { code }
        | Command::AckAll { code }
        | Command::Cannot { code }
        | Command::Where { code }
        | Command::Hold { code, .. }
        | Command::Decide { code, .. }
        | Command::Safe { code, .. } => *code,
        Command::NotSafe { code, .. } => Some(*code),
        _ => None,
    }
}

fn kept_words(command: &Command) -> Vec<&str> {
    match command {
        Command::In(going) => {
            let odd = match &going.departure {
                Until::Odd(said) => Some(said.as_str()),
                _ => None,
            };
            odd.into_iter().chain(going.place.as_deref()).collect()
        }
        Command::Out { words, .. }
        | Command::Test { what: Rehearsed::Out { words, .. } }
        | Command::Fine { words, .. }
        | Command::More { words, .. }
        | Command::Sos { words }
        | Command::Concern { words }
        | Command::Measures { words, .. }
        | Command::Decide { words, .. }
        | Command::Changes { words, .. }
        | Command::Safe { words, .. }
        | Command::NotSafe { words, .. } => vec![words],
        Command::Hold { reason, .. } => vec![reason],
        _ => vec![],
    }
}

/// The first number in it that is as long as a PIN, or a PIN with a digit too many.
fn longest_number(text: &str) -> Option<String> {
    normalised(text)
        .split(|c: char| !c.is_ascii_digit())
        .find(|number| (4..=9).contains(&number.len()))
        .map(str::to_owned)
}

fn compact(read: &str) -> String {
    read.chars().filter(|c| c.is_alphanumeric()).collect()
}
