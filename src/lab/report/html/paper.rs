//! What the paper has published: Guan and Loew, "A Sneak Attack on Segmentation of Medical Images Using Deep Neural
//! Network Classifiers", Tables I and II.

/// A row of the paper's tables.
pub struct Published {
    /// The network as it is called here.
    pub model: &'static str,
    /// The classifier as it is called there.
    pub name: &'static str,
    /// Accuracy on the 125 validation ROIs.
    pub val_acc: f64,
    /// Mean-Dice over all 325 abnormal ROIs.
    pub dice: f64,
    /// Accuracy after training on CAM-filtered ROIs.
    pub cam_val_acc: f64,
    /// Accuracy after training on mask-filtered ROIs.
    pub mask_val_acc: f64,
    /// Accuracy after training on inverse-mask-filtered ROIs, which was done for one classifier.
    pub inverse_mask_val_acc: Option<f64>,
}

const fn row(
    model: &'static str,
    name: &'static str,
    values: [f64; 4],
    inverse: Option<f64>,
) -> Published {
    let [val_acc, dice, cam_val_acc, mask_val_acc] = values;
    Published {
        model,
        name,
        val_acc,
        dice,
        cam_val_acc,
        mask_val_acc,
        inverse_mask_val_acc: inverse,
    }
}

/// The six classifiers in the paper's order.
pub const PUBLISHED: [Published; 6] = [
    row("xception", "Xception", [0.856, 0.435, 0.816, 0.880], None),
    row("resnet50-v2", "ResNet50V2", [0.840, 0.365, 0.792, 0.880], None),
    row("nasnet-mobile", "NASNetMobile", [0.848, 0.353, 0.768, 0.872], None),
    row("inception-v3", "InceptionV3", [0.872, 0.256, 0.776, 0.904], Some(0.616)),
    row("mobilenet-v2", "MobileNetV2", [0.840, 0.034, 0.736, 0.872], None),
    row("densenet121", "DenseNet121", [0.872, 0.030, 0.704, 0.896], None),
];

/// What was published of `model`; none for networks that are not in the paper.
pub fn of(model: &str) -> Option<&'static Published> {
    PUBLISHED.iter().find(|row| row.model == model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nets::models;

    #[test]
    fn every_row_is_a_network_and_every_accuracy_a_whole_number_of_125ths() {
        for row in &PUBLISHED {
            assert!(models::find(row.model).is_ok(), "{}", row.model);
            let accuracies = [row.val_acc, row.cam_val_acc, row.mask_val_acc];
            for accuracy in accuracies.into_iter().chain(row.inverse_mask_val_acc) {
                let count = accuracy * 125.0;
                assert!((count - count.round()).abs() < 1e-9, "{}: {accuracy}", row.model);
            }
        }
    }
}
