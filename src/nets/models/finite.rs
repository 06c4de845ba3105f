//! Whether a network's numbers stay finite on an image, and where they stop to.

use std::sync::Arc;

use super::{IMAGES, Mode, Model};
use crate::engine::gpu::Gpu;
use crate::engine::session::{Store, first_not_finite};
use crate::error::{Error, Result};

impl Model {
    /// Refuses weights with which any layer computes NaN or infinity on `image`, scaled, (H, W, C), which is
    /// called `subject`. The scores alone do not show it: a ReLU turns NaN into 0.
    ///
    /// The network runs once more for it, on this image alone, with all activations kept; where the adapter
    /// has no room for them, nothing is said.
    ///
    /// # Errors
    /// [`Error::Lost`] with the first such layer; those of the GPU.
    pub fn expect_finite(
        &self,
        gpu: &Arc<Gpu>,
        store: &Store,
        subject: &str,
        image: &[f32],
    ) -> Result<()> {
        match self.first_not_finite(gpu, store, image) {
            Ok(None) | Err(Error::TooLarge { .. }) => Ok(()),
            Ok(Some(layer)) => Err(Error::Lost {
                subject: subject.to_owned(),
                what: "what the network computes is",
                layer: format!("layer {layer}"),
            }),
            Err(error) => Err(error),
        }
    }

    /// The error that `what`, such as `the scores are`, is not finite for `image`, which is called `subject`:
    /// with the first layer that is not, as far as that can be found.
    pub fn lost(
        &self,
        gpu: &Arc<Gpu>,
        store: &Store,
        subject: &str,
        what: &'static str,
        image: &[f32],
    ) -> Error {
        let layer = match self.first_not_finite(gpu, store, image) {
            Ok(Some(layer)) => format!("layer {layer}"),
            Ok(None) if gpu.half() => "no layer in 32 bits, so that 16 are too few".to_owned(),
            Ok(None) => "what follows the last layer, such as its gradients".to_owned(),
            Err(error) => format!("a layer that could not be found ({error})"),
        };
        Error::Lost { subject: subject.to_owned(), what, layer }
    }

    fn first_not_finite(
        &self,
        gpu: &Arc<Gpu>,
        store: &Store,
        image: &[f32],
    ) -> Result<Option<String>> {
        let one = self.network.build(Mode::Inference, 1, self.size, self.classes)?;
        let found = first_not_finite(gpu, &one.graph, one.heads.logits, store, &[(IMAGES, image)])?;
        Ok(found.map(|(layer, _)| layer))
    }
}
