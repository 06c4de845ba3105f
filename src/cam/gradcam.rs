//! Grad-CAM (Selvaraju and others 2017, equations 1 and 2):
//!
//! ```text
//! weight_c   = mean over (h, w) of d score / d activation[h, w, c]
//! map[h, w]  = max(0, sum over c of weight_c * activation[h, w, c])
//! ```
//! The score is the class's logit: behind a softmax the gradient of a confident classifier vanishes.

use super::Method;
use crate::ops::GradCam;

pub(super) const METHOD: Method = Method {
    name: "gradcam",
    map: |graph, activation, gradient, sign| {
        let name = graph.unique("grad_cam");
        graph.add(name, GradCam { sign }, &[activation, gradient])
    },
};
