//! Links as QR codes, for terminals and as SVG.

use qrcode::Color;
use qrcode::EcLevel;
use qrcode::QrCode;
use qrcode::render::svg;

use crate::domain::error::Error;
use crate::domain::error::Result;

/// Light modules around a code; readers want four.
const QUIET_ZONE: usize = 4;
/// Pixels of an SVG's side, at least.
const SVG_SIDE: u32 = 240;

/// `text` for a terminal, two rows of modules in a line of characters. Light is drawn, so that it
/// reads on the dark ground that terminals have.
///
/// # Errors
/// Invalid, when it is too long for a code.
pub fn terminal(text: &str) -> Result<String> {
    let code = code(text)?;
    let (side, modules) = (code.width(), code.to_colors());
    let is_light = |x: usize, y: usize| {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < side);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => modules[y * side + x] == Color::Light,
            _ => y < side + 2 * QUIET_ZONE,
        }
    };
    let whole = side + 2 * QUIET_ZONE;
    let line = |y: usize| {
        let character = |x: usize| match (is_light(x, y), is_light(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        (0..whole).map(character).chain(['\n']).collect::<String>()
    };
    Ok((0..whole).step_by(2).map(line).collect())
}

/// `text` as an SVG image.
///
/// # Errors
/// Invalid, when it is too long for a code.
pub fn svg(text: &str) -> Result<String> {
    Ok(code(text)?.render::<svg::Color<'_>>().min_dimensions(SVG_SIDE, SVG_SIDE).build())
}

fn code(text: &str) -> Result<QrCode> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L);
    code.map_err(|_| Error::invalid("the link is too long for a QR code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_corners_and_a_quiet_zone() {
        let drawn = terminal("http://nas.example:6969/i/2cjvmxYTzG1ESiJBSAn5dxNornXB5CeD").unwrap();
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let width = lines[0].len();
        assert!(lines.iter().all(|line| line.len() == width));
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines[..2].iter().flatten().all(|c| *c == '█'), "light above");
        // The finder pattern: seven dark modules, then light between the frame and the core.
        let corner: String = lines[2][4..11].iter().collect();
        assert_eq!(corner, " ▄▄▄▄▄ ");
    }

    #[test]
    fn an_svg_is_one_and_what_is_too_long_is_refused() {
        assert!(svg("x").unwrap().contains("<svg"));
        assert!(svg(&"x".repeat(4000)).is_err());
    }
}
