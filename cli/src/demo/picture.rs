//! The third act: a picture with its preview, and what was said as a page.

use std::path::Path;

use image::{Rgb, RgbImage};
use wheesht_core::{
    api::{ConversationId, ErrorCode},
    client::archive::{Export, ExportFormat},
};

use super::{person::Person, relay::DemoRelay, search, stage::Stage, together::TITLE};
use crate::exit::{Exit, Failure, Result};

const NAME: &str = "harbour-at-dusk.png";
const CAPTION: &str = "This is where we meet.";
const WIDTH: u32 = 320;
const HEIGHT: u32 = 144;

/// Alice sends a picture to a conversation, Bob fetches it.
pub(super) async fn play(
    stage: &mut Stage,
    relay: &DemoRelay,
    path: &Path,
    alice: &Person,
    bob: &mut Person,
    there: ConversationId,
) -> Result<()> {
    stage.step("Alice sends a picture, sealed under a key of its own. The relay keeps it.")?;
    let original = path.join(NAME);
    harbour().save(&original).map_err(|error| unlike(&format!("It could not be drawn: {error}.")))?;
    let (_, message) = alice.sends_file(there, &original, CAPTION).await?;
    let shown = bob.hears_of_file(message).await?;
    stage.fanned_out("alice", TITLE, CAPTION, &relay.saw())?;
    stage.picture(&shown)?;
    let saved = bob.saves(there, message, path).await?;
    if pixels(&saved)? != pixels(&original)? {
        return Err(unlike("The picture did not arrive as it was sent."));
    }
    let kept = search::files(&path.join("relay").join("blobs"), &[NAME.as_bytes(), CAPTION.as_bytes()])?;
    if kept.found > 0 {
        return Err(super::leaked());
    }
    stage.note(&format!(
        "the relay: {} bytes, without a name or a type; bob has the picture as it was",
        kept.bytes
    ))?;
    page(stage, path, bob, there).await
}

/// Bob writes down what was said there.
async fn page(stage: &mut Stage, path: &Path, bob: &Person, there: ConversationId) -> Result<()> {
    stage.step("Bob exports the conversation: a page for any browser, that asks nobody.")?;
    let to = path.join("harbour-at-nine.html");
    let export = Export { format: ExportFormat::Html, conversation: Some(there) };
    let exported = bob.exports(&to, &export).await?;
    let page = std::fs::read_to_string(&to)?;
    if exported.missing > 0 || !page.contains(CAPTION) {
        return Err(unlike("The page lacks something that was said."));
    }
    stage.page(&to, exported.messages)
}

/// The harbour, in the evening: a sky, a sun in it, and the sea below.
fn harbour() -> RgbImage {
    let (horizon, sun) = (HEIGHT * 5 / 8, (WIDTH * 2 / 3, HEIGHT / 2));
    RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let share = |y: u32, of: u32, from: u32, to: u32| ((from * (of - y) + to * y) / of) as u8;
        let (dx, dy) = (x.abs_diff(sun.0), y.abs_diff(sun.1));
        if y < horizon && dx * dx + dy * dy < (HEIGHT / 6) * (HEIGHT / 6) {
            Rgb([255, 214, 110])
        } else if y < horizon {
            Rgb([share(y, horizon, 40, 250), share(y, horizon, 44, 130), share(y, horizon, 110, 90)])
        } else if dx < HEIGHT / 6 && (y - horizon) % 6 < 3 {
            Rgb([240, 170, 100])
        } else {
            let (deep, of) = (y - horizon, HEIGHT - horizon);
            Rgb([share(deep, of, 110, 10), share(deep, of, 90, 24), share(deep, of, 120, 60)])
        }
    })
}

fn pixels(path: &Path) -> Result<RgbImage> {
    let picture =
        image::open(path).map_err(|error| unlike(&format!("The picture can't be read: {error}.")))?;
    Ok(picture.to_rgb8())
}

fn unlike(words: &str) -> Failure {
    Failure::new(Exit::Other, ErrorCode::Internal, format!("{words} Please report this."))
}
