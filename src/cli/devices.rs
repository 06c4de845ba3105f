//! `parula devices`.

use clap::Args;

use super::{Global, print, print_json};
use crate::engine::gpu;
use crate::error::Result;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  parula devices\n  parula devices --backend gl")]
pub struct Devices {}

impl Devices {
    pub fn run(&self, global: &Global) -> Result<()> {
        let (found, chosen) = gpu::adapters(&global.choice())?;
        if global.json {
            return print_json(&serde_json::json!({ "adapters": found, "chosen": chosen }));
        }
        let mut text = String::new();
        for (index, report) in found.iter().enumerate() {
            let mark = if index == chosen { "*" } else { " " };
            text += &format!("{mark} {index}: {report}\n");
            let yes = |there: bool, without: &str| {
                if there { "yes".to_owned() } else { format!("no, {without}") }
            };
            let subgroups = match report.subgroup {
                Some((least, most)) if least == most => format!("yes, {least} wide"),
                Some((least, most)) => format!("yes, {least} to {most} wide"),
                None => "no, the tiled kernels are used".to_owned(),
            };
            let memory = match report.memory {
                Some(bytes) => format!("{} MB, those of this machine", bytes / 1_000_000),
                None => "not known, wgpu does not tell; a job takes all of its own at its start"
                    .to_owned(),
            };
            let matrices = match report.cooperative {
                Some(side) => {
                    format!("{side} x {side} of 16-bit floats, by `parula tune --precision f16`")
                }
                None => "no".to_owned(),
            };
            text += &format!(
                "      kind              {}\n      \
                 PCI bus id        {}\n      \
                 one binding       {} MB, one buffer {} MB\n      \
                 memory            {memory}\n      \
                 workgroup         {} KB of memory, {} invocations\n      \
                 subgroups         {subgroups}\n      \
                 timestamps        {}\n      \
                 16-bit floats     {}\n      \
                 matrices          {matrices}\n",
                report.kind,
                report.pci.as_deref().unwrap_or("not told"),
                report.max_storage_binding / 1_000_000,
                report.max_buffer / 1_000_000,
                report.workgroup_memory / 1024,
                report.max_invocations,
                yes(report.timestamps, "times are taken by the host's clock"),
                yes(report.f16, "32-bit floats are used anyway"),
            );
            if let Some(why) = &report.unusable {
                text += &format!("      cannot be used    {why}\n");
            }
        }
        text += &format!(
            "\n{} would be used: {}.\n",
            found[chosen].name,
            match (&global.adapter, global.backend, gpu::variable(&found)) {
                (None, _, Some(variable)) => format!("{variable} says so"),
                (None, None, None) =>
                    "discrete GPUs come before integrated, virtual and software ones, Vulkan, Metal \
                     and DX12 before GL"
                        .to_owned(),
                _ => "it is the first that --adapter and --backend leave".to_owned(),
            }
        );
        print(&text)
    }
}
