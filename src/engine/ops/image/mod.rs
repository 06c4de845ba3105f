//! On pictures: resizing, borders, blur, contrast.

pub(super) mod blur;
pub(super) mod contrast;
pub(super) mod cover;
pub(super) mod pad;
pub(super) mod resize;
