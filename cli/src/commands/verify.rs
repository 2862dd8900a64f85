//! `wheesht verify`: the number that two people compare, and what came of it.

use wheesht_core::api::{Response, SafetyNumber};

use crate::{
    args::Global,
    exit::Result,
    output::{Output, Style},
    render,
    session::Session,
};

pub(crate) async fn run(global: &Global, out: Output, who: &str, yes: bool, no: bool) -> Result<()> {
    let session = Session::with_account(global, out).await?;
    let whom = session.who(who)?;
    if yes || no {
        let contact = session.client.mark_verified(whom, yes).await?;
        let object = Response::Contact { contact: contact.clone() };
        out.result(&object, |style| render::contact(&contact, session.own.as_ref(), style))?;
    } else {
        let number = session.client.safety_number(whom).await?;
        let object = Response::SafetyNumber { safety_number: number.clone() };
        out.result(&object, |style| shown(&number, who, style, "wheesht verify NAME --yes"))?;
    }
    session.client.close().await;
    Ok(())
}

/// The number for a person: digits to read out, and a code to scan.
pub(crate) fn shown(number: &SafetyNumber, who: &str, style: Style, then: &str) -> String {
    let groups = render::grouped(&number.digits, 5);
    let words: Vec<_> = groups.split(' ').collect();
    let rows: Vec<_> = words.chunks(4).map(|row| format!("    {}", row.join(" "))).collect();
    let who = render::name(who);
    format!(
        "Compare this with {who}, face to face or on the phone. It is the same on both screens:\n\n{}\n\n{}If it is: {then}",
        style.bold(&rows.join("\n")),
        code(&number.qr),
    )
}

/// The number as a QR code of half-blocks, light on dark as terminals are.
fn code(hex: &str) -> String {
    let digit = |symbol: &u8| char::from(*symbol).to_digit(16);
    let byte = |pair: &[u8]| pair.iter().try_fold(0, |byte, symbol| Some(byte << 4 | digit(symbol)? as u8));
    let bytes: Option<Vec<u8>> = hex.as_bytes().chunks(2).map(byte).collect();
    match bytes.filter(|bytes| !bytes.is_empty()).map(qrcode::QrCode::new) {
        Some(Ok(code)) => {
            let blocks = code
                .render::<qrcode::render::unicode::Dense1x2>()
                .dark_color(qrcode::render::unicode::Dense1x2::Light)
                .light_color(qrcode::render::unicode::Dense1x2::Dark)
                .build();
            format!("{blocks}\n\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_stands_in_twelve_groups() {
        let number = SafetyNumber { digits: "0123456789".repeat(6), qr: String::new() };
        let shown = shown(&number, "bob", Style { color: false }, "/verify bob yes");
        assert!(shown.contains("    01234 56789 01234 56789\n"), "{shown}");
        assert_eq!(shown.matches("01234").count(), 6);
    }
}
