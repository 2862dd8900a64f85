//! Names of files as they are shown and written here, whatever their sender called them.

use wheesht_proto::limits::{MAX_FILE_NAME, MAX_MEDIA_TYPE};

/// What a file without a usable name is called.
const NAMELESS: &str = "file";

/// Longest ending that is kept when a name is cut.
const MAX_ENDING: usize = 20;

/// What a file is of which nothing is known.
pub(super) const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Devices that Windows finds under these names in every directory.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

/// A name without directories, without what can't be seen or turns the reading direction round, and without what a file system
/// refuses or takes for something else.
// FIL-13
pub(super) fn clean(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible = |character: &char| !character.is_control() && !invisible(*character);
    let plain = |character: char| match character {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' => '_',
        character if character.is_whitespace() => ' ',
        character => character,
    };
    let name: String = last.chars().filter(visible).map(plain).collect();
    // A dot in front hides a file, one at the end is dropped by Windows.
    let name = name.trim_start_matches(['.', ' ', '~']).trim_end_matches(['.', ' ']);
    let name = cut(name);
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    match stem {
        "" => NAMELESS.to_owned(),
        stem if is_device(stem) => cut(&format!("_{name}")),
        _ => name,
    }
}

/// A media type of the form `type/subtype`, in lower case.
pub(super) fn clean_type(media_type: &str) -> String {
    let token = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !part.is_empty() && part.bytes().all(allowed)
    };
    match media_type.split_once('/') {
        Some((kind, sub)) if token(kind) && token(sub) && media_type.len() <= MAX_MEDIA_TYPE => {
            media_type.to_ascii_lowercase()
        }
        _ => UNKNOWN_TYPE.to_owned(),
    }
}

/// Marks that turn the reading direction round, take no room, or stand for nothing.
const fn invisible(character: char) -> bool {
    matches!(character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
}

fn is_device(stem: &str) -> bool {
    let upper = stem.to_uppercase();
    let numbered = upper.strip_prefix("COM").or_else(|| upper.strip_prefix("LPT"));
    let digit = |rest: &str| matches!(rest, "¹" | "²" | "³") || rest.parse().is_ok_and(|n: u8| n < 10);
    DEVICES.contains(&upper.as_str()) || numbered.is_some_and(digit)
}

/// Cuts a name that is too long, and not its ending.
fn cut(name: &str) -> String {
    if name.len() <= MAX_FILE_NAME {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |at| name.get(at..).unwrap_or_default());
    let ending = if ending.len() <= MAX_ENDING { ending } else { "" };
    let mut end = MAX_FILE_NAME - ending.len();
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ending}", name.get(..end).unwrap_or_default().trim_end_matches(['.', ' ']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fil_13_no_name_leads_out_of_its_directory_or_deceives() {
        for (given, cleaned) in [
            ("holiday.jpg", "holiday.jpg"),
            ("../../.bashrc", "bashrc"),
            ("/etc/passwd", "passwd"),
            ("C:\\Windows\\system32\\evil.dll", "evil.dll"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("a/b/", "file"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("two\nlines\t\u{7f}\u{9b}.txt", "twolines.txt"),
            ("zero\u{200b}\u{feff}width", "zerowidth"),
            ("what?<is>:\"this|*", "what__is___this__"),
            ("con", "_con"),
            ("NUL.txt", "_NUL.txt"),
            ("com7.tar.gz", "_com7.tar.gz"),
            ("LPT¹", "_LPT¹"),
            ("command.com", "command.com"),
            ("trailing. . .", "trailing"),
            ("  spaced\u{a0}out .txt", "spaced out .txt"),
            ("~/x~", "x~"),
            ("Ωμέγα 🌊.png", "Ωμέγα 🌊.png"),
        ] {
            assert_eq!(clean(given), cleaned, "{given:?}");
        }
        let long = clean(&format!("{}.jpeg", "é".repeat(400)));
        assert!(long.len() <= MAX_FILE_NAME && long.ends_with("é.jpeg"));
        assert!(clean(&format!("x.{}", "y".repeat(400))).len() <= MAX_FILE_NAME);
    }

    #[test]
    fn fil_13_a_media_type_is_two_words() {
        assert_eq!(clean_type("image/JPEG"), "image/jpeg");
        assert_eq!(
            clean_type("application/vnd.oasis.opendocument.text"),
            "application/vnd.oasis.opendocument.text"
        );
        for wrong in [
            "",
            "image",
            "image/",
            "a/b/c",
            "text/html; charset=x",
            "a/\u{7}",
            &format!("a/{}", "b".repeat(200)),
        ] {
            assert_eq!(clean_type(wrong), UNKNOWN_TYPE);
        }
    }

    proptest! {
        #[test]
        fn fil_13_whatever_is_cleaned_is_clean(name in any::<String>()) {
            let cleaned = clean(&name);
            prop_assert!(!cleaned.is_empty() && cleaned.len() <= MAX_FILE_NAME + 1);
            let harmful = cleaned.contains(['/', '\\', '\0', '\n', '\u{202e}']);
            prop_assert!(!harmful);
            prop_assert!(!cleaned.starts_with('.') && !cleaned.ends_with(['.', ' ']));
            prop_assert_eq!(clean(&cleaned), cleaned);
        }
    }
}
