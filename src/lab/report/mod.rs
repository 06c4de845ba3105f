//! What a person looks at: tables, curves and contact sheets, drawn on the CPU.
//!
//! Everything here but `html` takes plain data and gives back text or the bytes of a PNG. The font travels inside the
//! binary, so pictures are the same on every machine. `html` makes the one page of a run out of its folder.

pub mod bars;
pub mod cascade;
pub mod chart;
pub mod colormap;
mod colour_bar;
pub mod contact_sheet;
pub mod curve_grid;
pub mod curves;
pub mod dice_curve;
pub mod draw;
pub mod duplicate_sheet;
pub mod explained;
pub mod gallery;
pub mod heading;
pub mod html;
pub mod labels;
pub mod latex;
mod legend;
pub mod mask_sheet;
pub mod panels;
pub mod plot;
pub mod plot_file;
mod print;
pub mod roc;
pub mod steps;
mod strip;
pub mod style;
pub mod table;
pub mod text;
mod vector;
