//! Scores on the CPU, in plain loops: the reference that the GPU's scores are tested against, and
//! the truth behind `parula score`; and what many scores say together.

pub mod average_precision;
pub mod baselines;
pub mod binary;
pub mod classifier;
pub mod crossed;
pub mod deletion;
pub mod distance;
pub mod energy;
pub mod gini;
pub mod interval;
pub mod iou;
pub mod labels;
pub mod lesions;
pub mod mann_whitney;
pub mod operating_point;
pub mod otsu;
pub mod pointing;
pub mod rank;
pub mod redraw;
pub mod road;
pub mod sobel;
pub mod ssim;
pub mod student;
pub mod surface;
