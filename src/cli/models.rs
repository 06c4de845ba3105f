//! `parula models`.

use clap::Args;

use super::{Global, print, print_json};
use crate::error::Result;
use crate::nets::models::{self, Network, NetworkSummary};

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula models --json")]
pub struct Models {}

impl Models {
    pub fn run(&self, global: &Global) -> Result<()> {
        let summaries: Vec<NetworkSummary> =
            models::all().map(Network::summary).collect::<Result<_>>()?;
        if global.json {
            return print_json(&summaries);
        }
        let mut text = format!(
            "{:<18} {:<7} {:>12} {:>12} {:>10} {:>8}  CAM layer\n",
            "model", "gives", "parameters", "without top", "input", "scaling"
        );
        for model in &summaries {
            let shape: Vec<String> = model.cam_shape.iter().map(usize::to_string).collect();
            text += &format!(
                "{:<18} {:<7} {:>12} {:>12} {:>10} {:>8}  {} {}\n",
                model.name,
                model.gives,
                model.parameters,
                model.parameters_without_top,
                format!("{}x{}", model.input[0], model.input[1]),
                format!("{:?}", model.preprocessing).to_lowercase(),
                model.cam_layer,
                shape.join("x"),
            );
        }
        print(&text)
    }
}
