//! What fits a text message: GSM-7, 160 characters (FORMATS: one curly quote makes it 70).

/// The longest text that goes in one part.
pub const LONGEST: usize = 160;

/// The GSM 03.38 alphabet that costs one septet.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The characters that cost two.
const EXTENDED: &str = "^{}\\[~]|€";

/// How many septets a text takes, or `None` if it is not GSM-7.
pub fn septets(text: &str) -> Option<usize> {
    text.chars()
        .map(|c| match () {
            () if BASIC.contains(c) => Some(1),
            () if EXTENDED.contains(c) => Some(2),
            () => None,
        })
        .sum()
}

/// The text in GSM-7: what the alphabet lacks is written in plain letters.
pub fn plain(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        if is_gsm(c) {
            written.push(c);
            continue;
        }
        for plain in deunicode::deunicode_char(c).unwrap_or("?").chars() {
            // Not even all of ASCII is in the alphabet.
            written.push(match plain {
                plain if is_gsm(plain) => plain,
                '`' => '\'',
                plain if plain.is_control() => ' ',
                _ => '?',
            });
        }
    }
    written
}

fn is_gsm(c: char) -> bool {
    BASIC.contains(c) || EXTENDED.contains(c)
}

/// Whether it goes out as one part.
pub fn fits(text: &str) -> bool {
    septets(text).is_some_and(|septets| septets <= LONGEST)
}

/// Writes a text with names in it so that it fits: names are shortened as far as needed, nothing else ever is.
pub fn with_names<const N: usize>(names: [&str; N], write: impl Fn([&str; N]) -> String) -> String {
    let names = names.map(plain);
    let mut length =
        names.iter().map(|name| name.chars().count()).max().unwrap_or_default().clamp(1, LONGEST);
    loop {
        let short: [String; N] = std::array::from_fn(|i| shortened(&names[i], length));
        let text = plain(&write(std::array::from_fn(|i| short[i].as_str())));
        if fits(&text) || length == 1 {
            return text;
        }
        length -= 1;
    }
}

fn shortened(name: &str, length: usize) -> String {
    let name = name.trim();
    if name.chars().count() <= length {
        return name.into();
    }
    let cut: String = name.chars().take(length.saturating_sub(1)).collect();
    format!("{}.", cut.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_curly_quote_is_written_plainly() {
        assert_eq!(plain("Ann’s “place” – Łukasz…"), "Ann's \"place\" - Lukasz...");
        assert_eq!(plain("`"), "'");
        assert_eq!(septets("€5"), Some(3));
        assert_eq!(septets("ŵ"), None);
    }

    #[test]
    fn names_give_way_and_the_rest_does_not() {
        let text = with_names(["A".repeat(300).as_str()], |[name]| format!("{name} {}", "x".repeat(140)));
        assert!(fits(&text) && text.ends_with(&"x".repeat(140)), "{text}");
    }
}
