//! What a weakly supervised training may know of an image: its pixels and its class.

use crate::lab::data::{Class, Roi};
use crate::nets::images::Grey;

/// An image and its label. The truth has no field here, so that nothing that is made of these can have
/// read it; where ROIs are cut around their lesions, that the lesion is in the middle is known all the
/// same.
#[derive(Clone, Copy, Debug)]
pub struct Unmasked<'a> {
    /// For messages and draws.
    pub name: &'a str,
    /// Normal or abnormal.
    pub class: Class,
    /// The pixels.
    pub image: &'a Grey,
}

impl<'a> From<&'a Roi> for Unmasked<'a> {
    fn from(roi: &'a Roi) -> Self {
        Unmasked { name: &roi.name, class: roi.class, image: &roi.image }
    }
}
