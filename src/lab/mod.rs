//! What one does with networks: data sets and ROIs, the paper's experiment, comparisons of methods, segmentation
//! without outlines, metrics, reports, benchmarks, tuning, and Grad-CAM as a lesson
//! in a browser.

pub mod bench;
pub mod compare;
pub mod data;
pub mod experiment;
pub mod lesson;
pub mod metrics;
pub mod report;
pub mod run_folder;
pub mod segment;
pub mod tune;
