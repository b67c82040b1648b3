//! How a figure grows, as a picture with logarithmic axes.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 45.0;

/// An SVG of `points` with a title and the names of the axes. What is not above zero has no place on it.
pub fn log_log(title: &str, x_name: &str, y_name: &str, points: &[(f64, f64)]) -> String {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|&(x, y)| x > 0.0 && y > 0.0).collect();
    let (x_low, x_high) = decades(points.iter().map(|p| p.0));
    let (y_low, y_high) = decades(points.iter().map(|p| p.1));
    let place = |value: f64, low: i32, high: i32, from: f64, to: f64| {
        from + (value.log10() - f64::from(low)) / f64::from(high - low) * (to - from)
    };
    let x = |value: f64| place(value, x_low, x_high, LEFT, WIDTH - RIGHT);
    let y = |value: f64| place(value, y_low, y_high, HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    // Writing to a string cannot fail.
    for decade in x_low..=x_high {
        let at = x(10_f64.powi(decade));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {TOP}V{}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            10_f64.powi(decade)
        );
    }
    for decade in y_low..=y_high {
        let at = y(10_f64.powi(decade));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            10_f64.powi(decade)
        );
    }
    let line: Vec<String> = points.iter().map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1))).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1668b8\" stroke-width=\"2\"/>",
        line.join(" ")
    );
    for point in &points {
        let (px, py) = (x(point.0), y(point.1));
        let _ = writeln!(
            svg,
            "<circle cx=\"{px:.1}\" cy=\"{py:.1}\" r=\"3.5\" fill=\"#1668b8\"/>\
             <text x=\"{px:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.3}</text>",
            py - 8.0,
            point.1
        );
    }
    let _ = write!(
        svg,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{x_name}</text>\n\
         <text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{y_name}</text>\n</svg>\n",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        (TOP + HEIGHT - BOTTOM) / 2.0
    );
    svg
}

/// The powers of ten around all values; at least one decade.
fn decades(values: impl Iterator<Item = f64>) -> (i32, i32) {
    let (mut low, mut high) = (f64::MAX, f64::MIN);
    for value in values {
        low = low.min(value.log10().floor());
        high = high.max(value.log10().ceil());
    }
    if low > high { (0, 1) } else { (low as i32, (high as i32).max(low as i32 + 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_logarithms_are() {
        let svg = log_log("t", "x", "y", &[(1.0, 1.0), (100.0, 10.0)]);
        // One decade up and two across: the first in the lower left corner, the second in the upper right one.
        assert!(svg.contains("points=\"70.0,275.0 620.0,40.0\""), "{svg}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(log_log("t", "x", "y", &[]).contains("points=\"\""));
        assert!(log_log("t", "x", "y", &[(1.0, 0.0), (0.0, 1.0)]).contains("points=\"\""));
    }
}
