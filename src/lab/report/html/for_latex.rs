//! The tables of the report that a paper prints.

use super::run::Run;
use super::{classifier, setup, tables};
use crate::lab::report::latex;

/// Tables I and II as LaTeX, and the classifiers as medicine describes them; their captions say on what and by what they
/// were made.
pub fn latex(run: &Run) -> String {
    let source = setup::source(run);
    let (what, of_runs) = (source.words(), source.words_of_runs());
    let first = "Accuracy of the classifiers, and mean-Dice of their heatmaps held against the truth. The last rows are maps \
                 that have seen no image. Columns of the paper are Guan and Loew's, on other images";
    let second = "Accuracy after training from scratch on filtered ROIs. Columns of the paper are Guan and Loew's, on other \
                  images";
    let mut text = latex::head("report");
    text +=
        &latex::float(&tables::classifiers(run).text(), &format!("{first}. {what}"), "classifiers");
    if let Some(content) = tables::filtered(run) {
        text += &latex::float(&content.text(), &format!("{second}. {what}"), "filtered");
    }
    let described = classifier::described(run);
    if run.runs().iter().any(|one| one.get("auc").is_some()) {
        let caption = format!("{}. {of_runs}", described.caption);
        text += &latex::float(&described.text(), &caption, "described");
    }
    if let Some(tested) = classifier::tested(run) {
        let caption = format!("{}. {of_runs}", tested.caption);
        text += &latex::float(&tested.text(), &caption, "tested");
    }
    text
}
