//! A picture's preview as characters: each shows two points, one above the other, as a half block in two colours. Every terminal with
//! true colours can do that.

use std::io::Cursor;

use image::{ImageReader, Limits, imageops::FilterType};
use ratatui::{
    style::{Color, Style},
    text::{Line, Span},
};

/// Cells that a preview takes at most.
const COLUMNS: u32 = 40;
const ROWS: u32 = 12;
/// A preview is small; what claims to be larger is not decoded.
const MAX_SIDE: u32 = 1_024;
const MAX_ALLOC: u64 = 8 << 20;

/// The rows; none if it is no picture that can be shown.
pub(super) fn rows(bytes: &[u8]) -> Vec<Line<'static>> {
    decode(bytes, ROWS).unwrap_or_default()
}

/// The same as text, with the escape sequences that colour it.
pub(crate) fn lines(bytes: &[u8], rows: u32) -> Vec<String> {
    let colored = |span: &Span<'_>| match (span.style.fg, span.style.bg) {
        (Some(Color::Rgb(r, g, b)), Some(Color::Rgb(x, y, z))) => {
            format!("\u{1b}[38;2;{r};{g};{b};48;2;{x};{y};{z}m{}", span.content)
        }
        (Some(Color::Rgb(r, g, b)), _) => format!("\u{1b}[0;38;2;{r};{g};{b}m{}", span.content),
        _ => span.content.to_string(),
    };
    let line = |line: &Line<'_>| format!("{}\u{1b}[0m", line.spans.iter().map(colored).collect::<String>());
    decode(bytes, rows).unwrap_or_default().iter().map(line).collect()
}

fn decode(bytes: &[u8], rows: u32) -> Option<Vec<Line<'static>>> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_ALLOC);
    reader.limits(limits);
    let picture = reader.decode().ok()?;
    let small = picture.resize(COLUMNS, rows * 2, FilterType::Triangle).to_rgb8();
    let color = |x, y| {
        let [red, green, blue] = small.get_pixel_checked(x, y)?.0;
        Some(Color::Rgb(red, green, blue))
    };
    let row = |y: u32| {
        let cell = |x| {
            let look = Style::new().fg(color(x, y).unwrap_or(Color::Reset));
            Span::styled("▀", look.bg(color(x, y + 1).unwrap_or(Color::Reset)))
        };
        Line::from((0..small.width()).map(cell).collect::<Vec<_>>())
    };
    Some((0..small.height()).step_by(2).map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32) -> Vec<u8> {
        let picture = image::RgbImage::from_fn(width, height, |_, y| match y < height / 2 {
            true => image::Rgb([255, 0, 0]),
            false => image::Rgb([0, 0, 255]),
        });
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_keeps_its_shape_and_colours() {
        let rows = rows(&encoded(80, 40));
        assert_eq!((rows.len(), rows[0].width()), (10, 40));
        assert_eq!(rows[0].spans[0].style.fg, Some(Color::Rgb(255, 0, 0)));
        assert_eq!(rows[9].spans[0].style.bg, Some(Color::Rgb(0, 0, 255)));
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_not_shown() {
        assert!(rows(b"").is_empty() && rows(b"GIF89a and no more").is_empty());
        assert!(rows(&encoded(2_000, 2)).is_empty());
        assert!(rows(&encoded(80, 40)[..60]).is_empty());
    }
}
