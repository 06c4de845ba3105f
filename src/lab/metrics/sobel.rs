//! An edge detector: what a map of explanation looks like where it looks at the picture alone.
//!
//! ```text
//!        -1 0 1              -1 -2 -1
//! gx  =  -2 0 2     gy  =     0  0  0     edges = sqrt(gx^2 + gy^2)
//!        -1 0 1               1  2  1
//! ```
//! Pixels beyond the border are those on it.

/// The edges of `image`, (height, width) `size` row by row, of the same size.
///
/// # Panics
/// When `image` has fewer pixels than `size` says.
pub fn edges(image: &[f32], [height, width]: [usize; 2]) -> Vec<f32> {
    let mut found = Vec::with_capacity(height * width);
    for y in 0..height {
        let rows = [y.saturating_sub(1), y, (y + 1).min(height - 1)];
        for x in 0..width {
            let columns = [x.saturating_sub(1), x, (x + 1).min(width - 1)];
            let at = |row: usize, column: usize| image[rows[row] * width + columns[column]];
            let across = |row| at(row, 2) - at(row, 0);
            let down = |column| at(2, column) - at(0, column);
            let gx = across(0) + 2.0 * across(1) + across(2);
            let gy = down(0) + 2.0 * down(1) + down(2);
            found.push(gx.hypot(gy));
        }
    }
    found
}

/// The same as grey levels, 255 at the strongest edge.
pub fn heatmap(pixels: &[u8], size: [usize; 2]) -> Vec<u8> {
    let image: Vec<f32> = pixels.iter().map(|&value| f32::from(value)).collect();
    let edges = edges(&image, size);
    let most = edges.iter().copied().fold(0.0, f32::max);
    let level = |edge: &f32| if most > 0.0 { (255.0 * edge / most).round() as u8 } else { 0 };
    edges.iter().map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_where_the_step_is() {
        let pixels: Vec<u8> = [0, 0, 40, 40].repeat(3);
        assert_eq!(
            edges(&pixels.iter().map(|&p| f32::from(p)).collect::<Vec<_>>(), [3, 4])[5],
            160.0
        );
        assert_eq!(heatmap(&pixels, [3, 4]), [0, 255, 255, 0].repeat(3));
        assert_eq!(heatmap(&[9; 12], [3, 4]), [0; 12]);
    }
}
