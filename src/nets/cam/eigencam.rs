//! Eigen-CAM (Muhammad and Yeasin 2020): with v the first right singular vector of the
//! activation as a matrix of h w rows and C columns,
//!
//! ```text
//! map[h, w]  = sum over c of v_c * activation[h, w, c]
//! ```
//! The matrix is not centred and there is no ReLU. v is found up to its sign; the one is taken whose map
//! has a sum that is not negative, which after a ReLU makes all of it positive. It knows no class; sign -1
//! turns the map. By power iteration on the GPU. (pytorch-grad-cam centres the columns for v.)

use super::{Kind, Method};
use crate::engine::ops::Principal;

pub(super) const METHOD: Method = Method {
    name: "eigencam",
    about: "first principal component of the activation, whatever the class",
    relu: false,
    kind: Kind::Layer(|graph, site| {
        let name = graph.unique("eigen_cam");
        graph.add(name, Principal { factor: site.sign }, &[site.activation])
    }),
};
