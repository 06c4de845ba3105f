//! Scores on the CPU, in plain loops: the reference that the GPU's scores are tested against, and
//! the truth behind `parula score`; and what many scores say together.

pub mod baselines;
pub mod dice;
pub mod epoch;
pub mod interval;
pub mod normalise;
pub mod rank;
